//! An upload stream: the bytes that are missing, a trailer, and the engine's decision.

use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use veilsum_link::{Connection, RecvHalf, SendHalf};
use veilsum_protocol::ids::{BankIndex, Round};
use veilsum_protocol::wire::stream::{Rejected, STREAM_FRAME_LIMIT, TRAILER_LIMIT, UploadReply};

use super::frames::{StreamEnd, moving, read_body, write_message};
use super::ports::{Inbound, UploadGate, Uploaded};
use super::spool::{Incoming, Spool};
use crate::remedy::of_disk;

/// Bytes that are gathered before they are written to the disk. While one such part is written the next is gathered: two of them are the memory
/// that one upload takes beside the connection's window.
const CHUNK: usize = 128 << 10;

pub(super) struct Upload<'a, M, O> {
    pub(super) connection: &'a Connection,
    pub(super) gate: &'a dyn UploadGate,
    pub(super) spool: &'a Spool,
    pub(super) inbound: &'a mpsc::Sender<Inbound<M, O>>,
    pub(super) bank: BankIndex,
    pub(super) round: Round,
    pub(super) length: u64,
    pub(super) stall: Duration,
}

impl<M: Send, O: Send> Upload<'_, M, O> {
    /// Serves the stream to its end. The caller sees to it that a bank has one upload at a time.
    pub(super) async fn receive(&self, send: &mut SendHalf, recv: &mut RecvHalf) -> Result<(), StreamEnd> {
        let reply = match self.transfer(send, recv).await? {
            Ok(()) => UploadReply::Stored,
            Err(rejected) => UploadReply::Rejected(rejected),
        };
        self.reply(send, &reply).await?;
        moving(self.stall, "the answer to an upload", send.finish()).await?;
        // The answer is on its way only when the bank has it: leaving earlier could cut it off.
        moving(self.stall, "the answer to an upload", send.stopped()).await
    }

    async fn transfer(
        &self,
        send: &mut SendHalf,
        recv: &mut RecvHalf,
    ) -> Result<Result<(), Rejected>, StreamEnd> {
        match self.gate.expected(self.bank, self.round) {
            Ok(expected) if expected == self.length => {}
            Ok(expected) => {
                let text = format!(
                    "an upload of {} bytes, expected {expected} in round {}",
                    self.length, self.round
                );
                return Ok(Err(Rejected::new(Rejected::WRONG_LENGTH, text)));
            }
            Err(rejected) => return Ok(Err(rejected)),
        }
        let (spool, bank, round, length) = (self.spool.clone(), self.bank, self.round, self.length);
        let incoming = match on_disk(move || spool.resume(bank, round, length)).await? {
            Ok(incoming) => incoming,
            Err(error) => return Ok(Err(self.cannot_store(&error))),
        };
        let was_complete = incoming.complete;
        self.reply(
            send,
            &UploadReply::From {
                offset: incoming.offset,
            },
        )
        .await?;
        let (mut incoming, written) = self.store(incoming, recv).await?;
        if let Err(error) = written {
            return Ok(Err(self.cannot_store(&error)));
        }
        let trailer = match read_body(recv, TRAILER_LIMIT, Some(self.stall), self.stall).await? {
            Ok(trailer) => trailer,
            Err(error) => {
                return Ok(Err(Rejected::new(
                    Rejected::TRAILER_TOO_LONG,
                    format!("the trailer: {error}"),
                )));
            }
        };
        let (incoming, durable) = on_disk(move || {
            let durable = incoming.finish();
            (incoming, durable)
        })
        .await?;
        durable.map_err(StreamEnd::Spool)?;
        let decision = self.decide(&incoming, trailer).await?;
        if decision.is_err() && !was_complete {
            match std::fs::remove_file(incoming.path()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StreamEnd::Spool(error)),
            }
        }
        Ok(decision)
    }

    /// Writes what comes until nothing is missing. Whatever it ends with, nothing is being written any more then: the bank's next upload may take
    /// up the same file.
    async fn store(
        &self,
        incoming: Incoming,
        recv: &mut RecvHalf,
    ) -> Result<(Incoming, io::Result<()>), StreamEnd> {
        let mut left = self.length.saturating_sub(incoming.offset);
        let mut writing = spawn_blocking(move || (incoming, Ok(())));
        while left > 0 {
            let chunk = self.chunk(recv, left).await;
            let (mut incoming, written) = writing.await.map_err(StreamEnd::lost)?;
            let chunk = chunk?;
            if written.is_err() {
                return Ok((incoming, written));
            }
            left = left.saturating_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            writing = spawn_blocking(move || {
                let written = incoming.append(&chunk);
                (incoming, written)
            });
        }
        writing.await.map_err(StreamEnd::lost)
    }

    /// Up to [`CHUNK`] bytes, never more than `missing`.
    async fn chunk(&self, recv: &mut RecvHalf, missing: u64) -> Result<Vec<u8>, StreamEnd> {
        let most = usize::try_from(missing).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = Vec::with_capacity(most);
        while chunk.len() < most {
            let missing = most - chunk.len();
            match moving(self.stall, "an upload", recv.read_more(&mut chunk, missing)).await? {
                // What came stays in the spool for the next try.
                0 if chunk.is_empty() => return Err(StreamEnd::lost("the bank ended the upload early")),
                0 => break,
                _ => {}
            }
        }
        Ok(chunk)
    }

    /// Hands the upload to the engine and waits for its decision, as long as the bank is there to hear it.
    async fn decide(&self, incoming: &Incoming, trailer: Vec<u8>) -> Result<Result<(), Rejected>, StreamEnd> {
        let (answer, decision) = oneshot::channel();
        let uploaded = Uploaded {
            bank: self.bank,
            round: self.round,
            path: incoming.path().to_owned(),
            length: self.length,
            sha256: incoming.sha256(),
            trailer,
            answer,
        };
        let stopping = || {
            Rejected::new(
                Rejected::TRY_AGAIN,
                "the coordinator is stopping; try again later",
            )
        };
        let work = async {
            match self.inbound.send(Inbound::Uploaded(uploaded)).await {
                Ok(()) => decision.await.unwrap_or_else(|_| Err(stopping())),
                Err(_) => Err(stopping()),
            }
        };
        tokio::select! {
            decision = work => Ok(decision),
            reason = self.connection.closed() => Err(StreamEnd::lost(reason)),
        }
    }

    async fn reply(&self, send: &mut SendHalf, reply: &UploadReply) -> Result<(), StreamEnd> {
        write_message(send, reply, STREAM_FRAME_LIMIT, self.stall).await
    }

    fn cannot_store(&self, error: &io::Error) -> Rejected {
        tracing::error!(
            bank = %self.bank,
            round = %self.round,
            "{}: an upload cannot be stored: {error}{}",
            self.spool.folder().display(),
            remedy(error)
        );
        Rejected::new(
            Rejected::TRY_AGAIN,
            "the coordinator cannot store the upload now; try again later",
        )
    }
}

/// What to do about an upload that finds no room. The coordinator runs on, and the bank tries again until its round is over.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free space on this disk: the bank tries again every few seconds, and drops out when its round goes on"
        }
        _ => of_disk(error),
    }
}

/// Runs disk work off the threads that serve the network.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StreamEnd> {
    spawn_blocking(work).await.map_err(StreamEnd::lost)
}
