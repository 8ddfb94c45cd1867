//! An invitation: one line of text that an operator hands to a bank or an auditor, with all that it needs to ask to be enrolled.
//!
//! It names the coordinator by address, by the name in its certificate and by the SHA-256 of the authority that issued that certificate,
//! so that whoever asks knows whom it talks to before it has a consortium file. Its secret is 256 random bits; the coordinator keeps a hash.
//!
//! The text is `veilsum1_` and base64url (RFC 4648, section 5) of the canonical form and of the first four bytes of its SHA-256: a
//! character that was lost or changed on the way is told apart from an invitation that nobody made.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::secret::Secret;
use crate::ids::{Digest, Timestamp};
use crate::roster::{
    NameError, check_auditor_name, check_bank_name, check_consortium_name, check_operator_name,
};
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};

/// What every invitation of this version begins with.
const PREFIX: &str = "veilsum1_";

/// What invitations of all versions begin with.
const FAMILY: &str = "veilsum";

/// Bytes of the checksum.
const CHECKSUM: usize = 4;

/// Longest text of an invitation that is read, in bytes, blanks and line breaks not counted.
pub const INVITATION_LIMIT: usize = 2048;

/// Longest address and server name, in bytes: a host name has at most 253.
const HOST_LIMIT: usize = 300;

/// What an enrolled party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    /// Takes part in rounds.
    Bank,
    /// Reads log and archive.
    Auditor,
    /// Has the operator's page from another machine.
    Operator,
}

impl Party {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Bank => 0,
            Self::Auditor => 1,
            Self::Operator => 2,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        [Self::Bank, Self::Auditor, Self::Operator]
            .into_iter()
            .find(|party| party.number() == number)
    }

    /// The command that uses an invitation of this kind.
    pub fn command(self) -> &'static str {
        match self {
            Self::Bank => "veilsum-client enrol",
            Self::Auditor => "veilsum-auditor enrol",
            Self::Operator => "veilsum-coordinator operator enrol",
        }
    }

    /// Checks a name of such a party: 1 to 28 of `a-z`, `0-9` and `-`, no `-` at either end.
    ///
    /// # Errors
    /// [`NameError`] with the name that was found.
    pub fn check_name(self, name: &str) -> Result<(), NameError> {
        match self {
            Self::Bank => check_bank_name(name),
            Self::Auditor => check_auditor_name(name),
            Self::Operator => check_operator_name(name),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        form.write_str(match self {
            Self::Bank => "bank",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        })
    }
}

/// What an invitation says. Whoever holds it can ask in the name that stands in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Name of the consortium.
    pub consortium: String,
    /// Where the coordinator listens: `host:port`.
    pub address: String,
    /// The host name or address that its certificate must carry.
    pub server_name: String,
    /// What is invited.
    pub party: Party,
    /// Under which name.
    pub name: String,
    /// SHA-256 of the authority's certificate in DER.
    pub authority: Digest,
    /// What shows the coordinator that this is its invitation.
    pub secret: Secret,
    /// After this moment nobody can begin with it.
    pub expires: Timestamp,
}

/// Why a text is not an invitation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvitationError {
    /// Something else.
    #[error(
        "not an invitation: expected one text that begins with {PREFIX}; copy the whole line that the operator sent"
    )]
    Other,
    /// Of another version.
    #[error(
        "an invitation of another version, expected one that begins with {PREFIX}; use the release that the consortium runs"
    )]
    Version,
    /// Larger than any honest one.
    #[error(
        "{found} characters, expected at most {INVITATION_LIMIT}; copy the one line that the operator sent"
    )]
    TooLong {
        /// Characters found.
        found: usize,
    },
    /// A character was lost, added or changed.
    #[error(
        "the invitation is damaged: a character is missing, or was changed when it was copied; copy it again, the whole line"
    )]
    Damaged,
    /// The checksum holds, the content does not.
    #[error("the invitation cannot be read: {0}; use the release that the consortium runs")]
    Content(#[from] DecodeError),
}

impl Canonical for Invitation {
    const KIND: &'static str = "invitation";

    fn write(&self, writer: &mut Writer) {
        writer
            .u8(self.party.number())
            .text(&self.name)
            .text(&self.consortium)
            .text(&self.address)
            .text(&self.server_name)
            .digest(&self.authority)
            .fixed(self.secret.expose())
            .u64(self.expires.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let wrong = |what| move |error: NameError| DecodeError::value(what, error.to_string());
        let party = Party::from_number(reader.u8("role")?)
            .ok_or_else(|| DecodeError::value("role", "expected 0 (bank) or 1 (auditor)"))?;
        let name = reader.text("name")?;
        party.check_name(&name).map_err(wrong("name"))?;
        let consortium = reader.text("consortium")?;
        check_consortium_name(&consortium).map_err(wrong("consortium"))?;
        let address = host(reader.text("address")?, "address")?;
        let (before, port) = address.rsplit_once(':').unwrap_or_default();
        if before.is_empty() || port.parse::<u16>().is_err() {
            return Err(DecodeError::value("address", "expected host:port"));
        }
        Ok(Self {
            server_name: host(reader.text("server name")?, "server name")?,
            authority: reader.digest("authority")?,
            secret: Secret::from_bytes(reader.array("secret")?),
            expires: Timestamp(reader.u64("expiry")?),
            consortium,
            address,
            party,
            name,
        })
    }
}

/// It is shown on a terminal and handed to the resolver.
fn host(text: String, what: &'static str) -> Result<String, DecodeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if text.is_empty() || text.len() > HOST_LIMIT || !text.bytes().all(plain) {
        return Err(DecodeError::value(what, "not a host name or address"));
    }
    Ok(text)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let Digest([a, b, c, d, ..]) = Digest::of(bytes);
    [a, b, c, d]
}

impl Invitation {
    /// The one line to hand over. It holds the secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(self.to_bytes());
        let check = checksum(&bytes);
        // Without growing, which would leave a copy behind.
        let mut whole = Zeroizing::new(Vec::with_capacity(bytes.len() + CHECKSUM));
        whole.append(&mut bytes);
        whole.extend_from_slice(&check);
        Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&*whole)))
    }

    /// Reads the line, whatever blanks and line breaks a mail program put into it.
    ///
    /// # Errors
    /// [`InvitationError`], which tells a copying mistake from anything else.
    pub fn from_text(text: &str) -> Result<Self, InvitationError> {
        let found = text.chars().filter(|found| !found.is_whitespace()).count();
        if found > INVITATION_LIMIT {
            return Err(InvitationError::TooLong { found });
        }
        let mut line = Zeroizing::new(String::with_capacity(text.len()));
        line.extend(text.chars().filter(|found| !found.is_whitespace()));
        let Some(body) = line.strip_prefix(PREFIX) else {
            return Err(if line.starts_with(FAMILY) {
                InvitationError::Version
            } else {
                InvitationError::Other
            });
        };
        let whole = URL_SAFE_NO_PAD
            .decode(body)
            .map(Zeroizing::new)
            .map_err(|_| InvitationError::Damaged)?;
        let (bytes, check) = whole
            .split_last_chunk::<CHECKSUM>()
            .ok_or(InvitationError::Damaged)?;
        if checksum(bytes) != *check {
            return Err(InvitationError::Damaged);
        }
        Ok(Self::from_bytes(bytes)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn invitation() -> Invitation {
        Invitation {
            consortium: "example.org/credit".to_owned(),
            address: "fl.example.org:7443".to_owned(),
            server_name: "fl.example.org".to_owned(),
            party: Party::Bank,
            name: "bank-a".to_owned(),
            authority: Digest([7; 32]),
            secret: Secret::from_bytes([9; 32]),
            expires: Timestamp(1_800_000_000),
        }
    }

    #[test]
    fn the_line_is_read_back_also_when_a_mail_program_broke_it() {
        let text = invitation().to_text();
        assert_eq!(Invitation::from_text(&text).unwrap(), invitation());
        let (first, rest) = text.split_at(70);
        let broken = format!("  {first}\r\n{rest} \n");
        assert_eq!(Invitation::from_text(&broken).unwrap(), invitation());
        assert!(text.len() < 300, "{} characters", text.len());
    }

    #[test]
    fn every_single_slip_in_copying_is_told() {
        let text = invitation().to_text();
        for place in PREFIX.len()..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                Invitation::from_text(&changed),
                Err(InvitationError::Damaged),
                "{place}"
            );
            let mut missing = text.to_string();
            missing.remove(place);
            assert_eq!(
                Invitation::from_text(&missing),
                Err(InvitationError::Damaged),
                "{place}"
            );
        }
        let cut = &text[..text.len() - 9];
        assert_eq!(Invitation::from_text(cut), Err(InvitationError::Damaged));
        assert_eq!(Invitation::from_text(PREFIX), Err(InvitationError::Damaged));
    }

    #[test]
    fn what_is_no_invitation_of_this_version_is_told_apart() {
        let text = invitation().to_text();
        let other = text.replace("veilsum1_", "veilsum2_");
        assert_eq!(Invitation::from_text(&other), Err(InvitationError::Version));
        assert_eq!(Invitation::from_text("hello"), Err(InvitationError::Other));
        let long = text.to_string() + &"A".repeat(INVITATION_LIMIT);
        assert!(matches!(
            Invitation::from_text(&long),
            Err(InvitationError::TooLong { .. })
        ));
    }

    #[test]
    fn a_content_that_steers_a_terminal_or_is_no_name_is_refused() {
        let refused = |change: fn(&mut Invitation)| {
            let mut changed = invitation();
            change(&mut changed);
            Invitation::from_text(&changed.to_text()).unwrap_err().to_string()
        };
        assert!(refused(|it| it.name = "../x".to_owned()).contains("../x"));
        assert!(refused(|it| it.address = "host".to_owned()).contains("host:port"));
        assert!(refused(|it| it.address = "h\u{1b}[2J:1".to_owned()).contains("not a host name"));
        assert!(refused(|it| it.server_name = String::new()).contains("server name"));
        assert!(refused(|it| it.consortium = "A B".to_owned()).contains("consortium"));
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert!(!format!("{:?}", invitation()).contains("9, 9"));
    }
}
