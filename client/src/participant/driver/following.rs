//! The log: what is shown is cosigned, what enough banks have seen is acted on.

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::log::Cosignature;
use veilsum_protocol::log::follower::FollowError;
use veilsum_protocol::wire::message::Extension;

use super::{Driver, Input};
use crate::app::now;
use crate::participant::channel::Channel;
use crate::participant::error::DriverError;
use crate::peer_text::shown;

impl<C: Channel, E: Entropy> Driver<C, E> {
    /// Checks an extension of the log and cosigns its head.
    pub(super) async fn shown_log(&mut self, extension: &Extension) -> Result<(), DriverError> {
        match self.parts.participant.verify_log(extension, now()) {
            Ok(actions) => {
                for action in actions {
                    self.perform(action).await?;
                }
            }
            Err(error) => self.not_followed(&error)?,
        }
        Ok(())
    }

    /// The signed heads that contradict each other are kept: they prove to others what happened.
    fn not_followed(&mut self, error: &FollowError) -> Result<(), DriverError> {
        let kept = match error.evidence() {
            Some(evidence) => {
                let folder = self.parts.home.evidence.keep(evidence)?;
                format!(
                    " Both signed checkpoints are kept in {}: they prove it to others.",
                    folder.display()
                )
            }
            None => String::new(),
        };
        let text = format!(
            "REFUSED, this bank takes no part until it is resolved: C-601: {}.{kept} Compare the log's checkpoint with the other banks",
            shown(&error.to_string())
        );
        self.parts.voice.tell(None, &text);
        Ok(())
    }

    /// Other banks have seen a head: keeps the receipts, and acts on the entries under it.
    pub(super) fn witnessed(
        &mut self,
        size: u64,
        cosignatures: &[(BankIndex, Cosignature)],
    ) -> Result<(), DriverError> {
        match self.parts.participant.witnessed(size, cosignatures) {
            Ok(released) => {
                for receipt in released.receipts {
                    self.scribe.receipt(receipt);
                }
                // Before whatever came after the cosignatures.
                for entry in released.entries.into_iter().rev() {
                    self.inputs.push_front(Input::Entry(Box::new(entry)));
                }
            }
            Err(actions) => self.actions.extend(actions),
        }
        Ok(())
    }
}
