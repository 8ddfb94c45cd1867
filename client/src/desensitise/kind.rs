//! What a cell can hold that points to a person, and from which share of a column's cells on the column is taken for it.

use serde::{Deserialize, Serialize};

/// A kind of identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Payment card number.
    Card,
    /// International bank account number.
    Iban,
    /// National account number.
    Account,
    /// Number of an identity card, of social security or of the tax office.
    NationalId,
    /// Telephone number.
    Phone,
    /// Mail address.
    Email,
    /// Postal address.
    Address,
    /// Name of a person.
    Name,
}

impl Kind {
    /// All of them, in the order of [`Kind::index`].
    pub const ALL: [Self; 8] = [
        Self::Card,
        Self::Iban,
        Self::Account,
        Self::NationalId,
        Self::Phone,
        Self::Email,
        Self::Address,
        Self::Name,
    ];

    /// The kind's word in `policy.toml` and in JSON; in brackets it is what `mask` writes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Account => "account",
            Self::NationalId => "national-id",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Address => "address",
            Self::Name => "name",
        }
    }

    /// For messages.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Card => "payment card numbers",
            Self::Iban => "IBANs",
            Self::Account => "account numbers",
            Self::NationalId => "national identity numbers",
            Self::Phone => "telephone numbers",
            Self::Email => "mail addresses",
            Self::Address => "postal addresses",
            Self::Name => "names of persons",
        }
    }

    /// From this share of a column's cells on the column is taken for one of the kind. Each stands above what columns reach that hold
    /// something else, so that no table is refused by chance, and below what is left where a rule works on half of the cells only.
    ///
    /// * An IBAN with its check digits, or a mail address, is nothing else by chance. One cell in a thousand may be a slip of who typed it.
    /// * Of random eleven digits 0.4 % are a German tax number; the other national numbers have letters, dates or signs between the digits.
    /// * Of random sixteen digits 3 % begin as a card does and have the right check digit.
    /// * An account number is found by the words before it, which do not always mean one.
    /// * Of random eleven digits 7 % begin as a Chinese mobile number does.
    /// * Names and addresses have no check digit. Streets, firms and places have names, too, and words such as Virginia are both.
    pub fn threshold(self) -> f64 {
        match self {
            Self::Iban | Self::Email => 0.001,
            Self::NationalId => 0.02,
            Self::Card | Self::Account => 0.05,
            Self::Phone | Self::Address => 0.10,
            Self::Name => 0.20,
        }
    }

    /// True for kinds that only words tell apart from anything else: a column of few different values, such as states or products, is then
    /// none, for a value that many rows share points to nobody.
    pub fn needs_variety(self) -> bool {
        matches!(self, Self::Name | Self::Address)
    }

    /// Position in [`Kind::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// All of them.
    pub fn all() -> Self {
        Kind::ALL.into_iter().collect()
    }

    /// With one more.
    pub fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind.index())
    }

    /// Whether the kind is in it.
    pub fn holds(self, kind: Kind) -> bool {
        self.0 & 1 << kind.index() != 0
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_one_place_and_one_word() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), place);
            assert_eq!(
                serde_json::to_string(&kind).ok(),
                Some(format!("{:?}", kind.word()))
            );
            assert!(Kinds::all().holds(kind) && !Kinds::NONE.holds(kind));
        }
    }
}
