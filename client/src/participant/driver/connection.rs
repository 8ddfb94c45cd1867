//! What the link tells: it is up, down, or brings a message.

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::round::participant::Event;
use veilsum_protocol::wire::message::ToBank;

use super::seen::milliseconds;
use super::{Driver, Input, LinkEvent};
use crate::app::SOFTWARE;
use crate::participant::channel::Channel;
use crate::participant::error::DriverError;
use crate::participant::status::Connection;
use crate::participant::wait::Wait;

impl<C: Channel, E: Entropy> Driver<C, E> {
    pub(super) async fn link(&mut self, event: LinkEvent<ToBank>) -> Result<(), DriverError> {
        match event {
            // At once, also while an entry is held: other banks wait for the cosignature.
            LinkEvent::Message(ToBank::Log(extension)) => self.shown_log(&extension).await?,
            LinkEvent::Message(message) => self.inputs.push_back(Input::Message(Box::new(message))),
            LinkEvent::Down { reason, retry_in } => {
                self.connected = false;
                let status = &mut self.parts.voice.status;
                status.link = format!("down: {reason}");
                status.connection = None;
                let retry_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
                status.next_attempt = Some(milliseconds().saturating_add(retry_ms));
                let wait = retry_in.as_secs_f64();
                self.parts
                    .voice
                    .mention(&format!("no connection: {reason}; trying again in {wait:.0} s"));
            }
            LinkEvent::Up(way) => {
                self.connected = true;
                self.refusal_told = None;
                let status = &mut self.parts.voice.status;
                status.link = format!("up, {way}");
                status.next_attempt = None;
                status.connection = Some(Connection {
                    transport: way.transport.to_string(),
                    address: self.parts.address.clone(),
                    since: milliseconds(),
                    why: way.why.clone(),
                });
                self.parts.voice.wait(
                    None,
                    &format!("connected {way}; waiting for the coordinator"),
                    Wait::endless("it has something for this bank: a key epoch, a task or a round"),
                );
                self.send(&self.parts.participant.hello(SOFTWARE)).await;
                // Also while an entry is held: nothing that is sent again waits for a record.
                for action in self
                    .parts
                    .participant
                    .handle(Event::Connected, &mut self.parts.entropy)
                {
                    self.perform(action).await?;
                }
            }
        }
        Ok(())
    }
}
