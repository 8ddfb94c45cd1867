//! What the consortium's own sums show of the federated model.

use maud::{Markup, html};
use veilsum_pictures::{Picture, gallery};

/// Pictures of the figures over all banks' held-out rows.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Each figure by step.
    pub curves: Vec<Picture>,
    /// Of the last model, from the sum of the round that judged it.
    pub last: Vec<Picture>,
}

impl Published {
    /// Nothing if there is no picture.
    pub(super) fn section(&self) -> Option<Markup> {
        if self.curves.is_empty() && self.last.is_empty() {
            return None;
        }
        Some(html! {
            section aria-labelledby="published" {
                h2 #published { "What the sums show" }
                p.note {
                    "Measured on the banks' own held-out rows, of which nobody has seen more than the sum over all banks. The figures stand in the log; the "
                    "auditor's page draws the same from it."
                }
                @if !self.last.is_empty() {
                    h3 { "The last model" }
                    (gallery(&self.last))
                }
                @if !self.curves.is_empty() {
                    h3 { "Step by step, each of the model from which the step began" }
                    (gallery(&self.curves))
                }
            }
        })
    }
}
