//! The section `[enrolment]`: what is done by itself for members that are enrolled.

use serde::Deserialize;

/// How certificates are renewed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Enrolment {
    /// `automatic`, or `ask`.
    pub renewal: Renewal,
}

/// How a certificate is renewed, a member's and the coordinator's own, when a third of its validity is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Renewal {
    /// By itself, if the authority's key is in `identity/`.
    #[default]
    Automatic,
    /// On the operator's word: `veilsum-coordinator renew`, with `--member` for a bank or an auditor.
    Ask,
}

/// The section as `init` writes it.
pub(super) fn template() -> String {
    r#"[enrolment]
renewal = "automatic"              # of certificates, a third before their end; "ask": only by `veilsum-coordinator renew`
"#
    .to_owned()
}
