//! The transparency log's head.

use maud::{Markup, html};

use crate::engine::status::Status;

pub(super) fn section(status: &Status) -> Markup {
    html! {
        h2 #log-title { "Log" }
        p {
            (status.log_size) " entries, " (status.published) " of them under the published checkpoint, which "
            (status.cosignatures) " banks have cosigned. Compare it with the one that a bank or an auditor holds."
        }
        @if status.checkpoint.is_empty() {
            p.note { "Nothing is published yet." }
        } @else {
            pre tabindex="0" aria-label="The published checkpoint" { (status.checkpoint) }
        }
    }
}
