//! What the training thread tells.

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::round::participant::Event;

use super::Driver;
use crate::participant::channel::Channel;
use crate::participant::error::DriverError;
use crate::participant::trainer::News;
use crate::peer_text::shown;

impl<C: Channel, E: Entropy> Driver<C, E> {
    pub(super) fn news(&mut self, news: News) -> Result<(), DriverError> {
        let (News::Progress(round, _)
        | News::Note(round, _)
        | News::Judged(round, _)
        | News::Computed(round)
        | News::NoData(round, _)
        | News::Failed(round, _)) = &news;
        let round = *round;
        if round <= self.closed {
            return Ok(());
        }
        match news {
            News::Computed(_) => {
                self.data_in_order();
                self.step(Event::Computed(round));
            }
            News::Progress(_, at) => {
                let text = format!(
                    "training, epoch {} of {}, loss {:.3}",
                    at.epoch, at.epochs, at.mean_loss
                );
                self.parts.voice.tell(Some(round), &text);
            }
            News::Judged(_, scores) => self.saw_judged(round, &scores),
            News::Note(_, text) => {
                self.parts
                    .voice
                    .mention(&format!("round {round}: {}", shown(&text)));
            }
            News::NoData(_, problem) => {
                self.saw_sat_out(round, "its table or schema could not be used");
                self.no_data(round, problem);
                self.step(Event::NotComputed(round));
            }
            News::Failed(_, reason) => {
                self.saw_sat_out(round, "its part could not be computed");
                let text = format!("this bank sits the round out, the others go on: {reason}");
                self.parts.voice.tell(Some(round), &text);
                self.step(Event::NotComputed(round));
            }
        }
        Ok(())
    }
}
