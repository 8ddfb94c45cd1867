//! The request of an auditor or an operator to be enrolled.
//!
//! Neither signs anything, and each has one key, the one of its TLS certificate. The certificate signing request asks for the name
//! `<name>.auditor.veilsum` or `<name>.operator.veilsum` and is signed by that key (PKCS #10, RFC 2986): this proves possession and binds
//! name and role. A bank's signing request asks for no name, so it cannot be passed off as one of these, nor an auditor's as an operator's.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{EnrolmentRequest, Party, RequestError, check_version, read};

/// What an enrolled party may be beside a bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads log and archive, and takes part in nothing.
    Auditor,
    /// Has the operator's page from another machine.
    Operator,
}

impl Role {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Auditor, Self::Operator];

    /// The party that it is.
    pub fn party(self) -> Party {
        match self {
            Self::Auditor => Party::Auditor,
            Self::Operator => Party::Operator,
        }
    }

    /// Domain under which its name stands in signing request and certificate: `firm.auditor.veilsum`.
    pub fn domain(self) -> &'static str {
        match self {
            Self::Auditor => "auditor.veilsum",
            Self::Operator => "operator.veilsum",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, form: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.party().fmt(form)
    }
}

/// The file `<name>.request.toml` of an auditor or operator. It holds a public key only and may be mailed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReaderRequest {
    /// [`REQUEST_VERSION`](super::REQUEST_VERSION).
    pub version: u32,
    /// What tells it from a bank's request, which has no role.
    pub role: Role,
    /// The name that it asks for.
    pub name: String,
    /// The certificate signing request, PEM.
    pub csr: String,
}

impl ReaderRequest {
    /// Reads and checks everything except the signing request.
    ///
    /// # Errors
    /// [`RequestError`] for the first thing that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, RequestError> {
        let request: Self = read(text)?;
        check_version(request.version)?;
        request.role.party().check_name(&request.name)?;
        Ok(request)
    }
}

/// A request file, whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A bank's.
    Bank(EnrolmentRequest),
    /// An auditor's or operator's.
    Reader(ReaderRequest),
}

impl Request {
    /// Reads a request as what it says that it is.
    ///
    /// # Errors
    /// [`RequestError`] for the first thing that is wrong.
    pub fn from_toml(text: &str) -> Result<Self, RequestError> {
        #[derive(Deserialize)]
        struct Says {
            role: Option<String>,
        }
        let says: Says = read(text)?;
        match says.role.as_deref() {
            None => EnrolmentRequest::from_toml(text).map(Self::Bank),
            Some("auditor" | "operator") => ReaderRequest::from_toml(text).map(Self::Reader),
            Some(other) => Err(RequestError::Role {
                found: other.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::tests::request as bank_request;
    use super::super::{REQUEST_LIMIT, REQUEST_VERSION};
    use super::*;

    fn request() -> ReaderRequest {
        ReaderRequest {
            version: REQUEST_VERSION,
            role: Role::Auditor,
            name: "firm".to_owned(),
            csr: "PEM".to_owned(),
        }
    }

    #[test]
    fn requests_are_told_apart_by_their_role() {
        let auditor = toml::to_string(&request()).unwrap();
        for role in Role::ALL {
            let request = ReaderRequest { role, ..request() };
            let text = toml::to_string(&request).unwrap();
            assert!(text.contains(&format!("role = \"{role}\"")), "{text}");
            assert_eq!(Request::from_toml(&text).unwrap(), Request::Reader(request));
        }
        let bank = toml::to_string(&bank_request()).unwrap();
        assert_eq!(Request::from_toml(&bank).unwrap(), Request::Bank(bank_request()));
        // Neither is read as the other.
        assert!(EnrolmentRequest::from_toml(&auditor).is_err());
        assert!(ReaderRequest::from_toml(&bank).is_err());
        assert!(Request::from_toml(&format!("role = \"auditor\"\n{bank}")).is_err());
    }

    #[test]
    fn malformed_requests_say_what_is_wrong() {
        let refused = |from: &str, to: &str| {
            let text = toml::to_string(&request()).unwrap();
            assert!(text.contains(from));
            Request::from_toml(&text.replace(from, to))
                .unwrap_err()
                .to_string()
        };
        assert!(refused("version = 1", "version = 2").contains("version 2, expected 1"));
        assert!(
            refused("\"auditor\"", "\"clerk\"")
                .contains("role \"clerk\", expected \"auditor\" or \"operator\"")
        );
        assert!(refused("\"auditor\"", "7").contains("role"));
        let name = refused("firm", "../x");
        assert!(name.contains("auditor name \"../x\""), "{name}");
        assert!(refused("PEM", &"x".repeat(REQUEST_LIMIT)).contains("expected at most"));
        assert!(refused("name", "nime").contains("nime"));
    }
}
