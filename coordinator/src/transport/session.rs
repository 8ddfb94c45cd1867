//! One connection of a bank: who it is, its messages both ways, and its other streams.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream, VarInt};
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::wire::stream::{CloseCode, ControlReply, REASON_LIMIT, STREAM_FRAME_LIMIT, StreamOpen};

use super::fetch;
use super::frames::{StreamEnd, read_message, write_message};
use super::ports::{Inbound, PublicBlobs, SessionHandle, UploadGate};
use super::spool::Spool;
use super::upload::Upload;
use crate::config::Limits;
use crate::enrol::inspect::facts_of_der;

const REPLACED: &str = "a newer connection with this bank's key took its place";

/// What all sessions share.
pub(super) struct Hall<M, O> {
    pub(super) roster: Arc<Roster>,
    pub(super) limits: Limits,
    pub(super) gate: Arc<dyn UploadGate>,
    pub(super) blobs: Arc<dyn PublicBlobs>,
    pub(super) spool: Spool,
    pub(super) inbound: mpsc::Sender<Inbound<M, O>>,
    /// Filled once, when the spool can no longer be trusted.
    pub(super) failed: mpsc::Sender<std::io::Error>,
    pub(super) next_session: AtomicU64,
    pub(super) current: Mutex<HashMap<BankIndex, (u64, Connection)>>,
    /// Connections whose control stream has not been opened: one a bank, so that one key cannot pin the memory of many.
    pub(super) waiting: Mutex<HashMap<BankIndex, Connection>>,
    /// One upload of a bank at a time, also across connections: two would write the same file.
    pub(super) uploading: HashMap<BankIndex, tokio::sync::Mutex<()>>,
}

impl<M, O> Hall<M, O> {
    fn stall(&self) -> Duration {
        Duration::from_secs(self.limits.stall_s.into())
    }

    /// Takes the place of the bank's earlier connection that waits too, if there is one. The one that is admitted stays: whoever waits
    /// may never open a control stream.
    fn knock(&self, bank: BankIndex, connection: &Connection) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = waiting.insert(bank, connection.clone()) {
            close(&earlier, CloseCode::Replaced, REPLACED);
        }
    }

    /// Waits no more: admitted or gone.
    fn stop_waiting(&self, bank: BankIndex, connection: &Connection) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting
            .get(&bank)
            .is_some_and(|it| it.stable_id() == connection.stable_id())
        {
            waiting.remove(&bank);
        }
    }

    /// Takes the place of the bank's earlier connection, if there is one.
    fn enter(&self, bank: BankIndex, connection: &Connection) -> u64 {
        self.stop_waiting(bank, connection);
        let session = self.next_session.fetch_add(1, Ordering::Relaxed);
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, earlier)) = current.insert(bank, (session, connection.clone())) {
            close(&earlier, CloseCode::Replaced, REPLACED);
        }
        session
    }

    fn leave(&self, bank: BankIndex, session: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.get(&bank).is_some_and(|(number, _)| *number == session) {
            current.remove(&bank);
        }
    }
}

/// Closes a connection with a code and a reason that the peer can show.
pub(super) fn close(connection: &Connection, code: CloseCode, reason: &str) {
    let end = reason.floor_char_boundary(REASON_LIMIT);
    connection.close(VarInt::from_u32(code.number()), &reason.as_bytes()[..end]);
}

/// The bank whose key the peer proved to hold in the handshake.
pub(super) fn identify(connection: &Connection, roster: &Roster) -> Result<BankIndex, String> {
    let identity = connection
        .peer_identity()
        .and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
    let certificate = identity
        .as_ref()
        .and_then(|chain| chain.first())
        .ok_or("no client certificate")?;
    let facts = facts_of_der(certificate)?;
    let entry = roster.by_tls_key(facts.tls_key).ok_or_else(|| {
        format!(
            "{} with TLS key {} is not in the roster of {}",
            facts.subject,
            facts.tls_key,
            roster.consortium()
        )
    })?;
    Ok(entry.index)
}

struct Session<M, O> {
    hall: Arc<Hall<M, O>>,
    connection: Connection,
    bank: BankIndex,
    control_taken: AtomicBool,
    admitted: AtomicBool,
}

/// Serves a bank's connection until it is closed.
pub(super) async fn run<M, O>(hall: Arc<Hall<M, O>>, connection: Connection, bank: BankIndex)
where
    M: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    let deadline = Instant::now() + Duration::from_secs(hall.limits.handshake_s.into());
    hall.knock(bank, &connection);
    let session = Arc::new(Session {
        hall: Arc::clone(&hall),
        connection: connection.clone(),
        bank,
        control_taken: AtomicBool::new(false),
        admitted: AtomicBool::new(false),
    });
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            stream = connection.accept_bi() => match stream {
                Ok((send, recv)) => {
                    let session = Arc::clone(&session);
                    streams.spawn(async move { session.stream(send, recv).await });
                }
                Err(_) => break,
            },
            Some(_) = streams.join_next() => {}
            () = sleep_until(deadline), if !session.control_taken.load(Ordering::Relaxed) => {
                // The guard was looked at when the wait began; the stream may have come since.
                if !session.control_taken.load(Ordering::Relaxed) {
                    close(&connection, CloseCode::TooSlow, "no control stream was opened");
                }
            }
        }
    }
    hall.stop_waiting(bank, &connection);
    // Every stream notices the end by itself. None is aborted, since one may be writing to the spool.
    while streams.join_next().await.is_some() {}
}

impl<M, O> Session<M, O>
where
    M: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    async fn stream(&self, send: SendStream, recv: RecvStream) {
        match self.serve(send, recv).await {
            Ok(()) => {}
            Err(StreamEnd::Lost(reason)) => tracing::debug!(bank = %self.bank, reason, "a stream ended"),
            Err(StreamEnd::Offence { code, text }) => {
                tracing::warn!(bank = %self.bank, ?code, text, "the bank's connection is closed");
                close(&self.connection, code, &text);
            }
            Err(error @ StreamEnd::Unsendable(_)) => {
                tracing::error!(bank = %self.bank, %error, "limits.message_bytes is too small");
                close(
                    &self.connection,
                    CloseCode::Goodbye,
                    "the coordinator has a message larger than its own limit",
                );
            }
            Err(StreamEnd::Spool(error)) => {
                close(
                    &self.connection,
                    CloseCode::Goodbye,
                    "the coordinator's disk failed",
                );
                // Full only if a failure waits there already.
                let _ = self.hall.failed.try_send(error);
            }
        }
    }

    async fn serve(&self, mut send: SendStream, mut recv: RecvStream) -> Result<(), StreamEnd> {
        let hall = &self.hall;
        let stall = hall.stall();
        let open: StreamOpen = read_message(&mut recv, STREAM_FRAME_LIMIT, Some(stall), stall).await?;
        if !matches!(open, StreamOpen::Control) && !self.admitted.load(Ordering::Relaxed) {
            return Err(StreamEnd::violation("the control stream comes first"));
        }
        match open {
            StreamOpen::Control if self.control_taken.swap(true, Ordering::Relaxed) => {
                Err(StreamEnd::violation("a second control stream"))
            }
            StreamOpen::Control => self.control(send, recv).await,
            StreamOpen::Fetch { hash } => fetch::serve(Arc::clone(&hall.blobs), hash, &mut send, stall).await,
            StreamOpen::Upload { round, length } => {
                let turn = hall
                    .uploading
                    .get(&self.bank)
                    .ok_or_else(|| StreamEnd::lost("not in the roster"))?;
                let _turn = tokio::select! {
                    turn = turn.lock() => turn,
                    reason = self.connection.closed() => return Err(StreamEnd::lost(reason)),
                };
                let upload = Upload {
                    connection: &self.connection,
                    gate: hall.gate.as_ref(),
                    spool: &hall.spool,
                    inbound: &hall.inbound,
                    bank: self.bank,
                    round,
                    length,
                    stall,
                };
                upload.receive(&mut send, &mut recv).await
            }
        }
    }

    async fn control(&self, mut send: SendStream, recv: RecvStream) -> Result<(), StreamEnd> {
        let bank = self.bank;
        let hall = &self.hall;
        let id = hall.enter(bank, &self.connection);
        let (outbound, queue) = mpsc::channel(hall.limits.outbound_messages);
        let session = SessionHandle { id, outbound };
        if let Err(gone) = self.deliver(Inbound::Connected { bank, session }).await {
            hall.leave(bank, id);
            return Err(gone);
        }
        // All of the window only now: what waits at the door pins next to nothing.
        self.connection
            .set_receive_window(VarInt::from_u32(hall.limits.connection_window_bytes));
        tracing::info!(%bank, session = id, remote = %self.connection.remote_address(), "a bank is connected");
        self.admitted.store(true, Ordering::Relaxed);
        let admitted = ControlReply::Admitted { bank };
        let ended = match write_message(&mut send, &admitted, STREAM_FRAME_LIMIT, hall.stall()).await {
            Ok(()) => tokio::select! {
                ended = self.speak(send, queue) => ended,
                ended = self.listen(recv, id) => ended,
            },
            Err(error) => Err(error),
        };
        // The connection ends with its messages, and before the engine hears that it did.
        if let Err(StreamEnd::Offence { code, text }) = &ended {
            close(&self.connection, *code, text);
        }
        close(
            &self.connection,
            CloseCode::Goodbye,
            "the coordinator ended the session",
        );
        hall.leave(bank, id);
        tracing::info!(%bank, session = id, reason = ?ended.as_ref().err(), "a bank is disconnected");
        // Not sent only if the engine is gone, and then nobody needs to know.
        let _ = hall
            .inbound
            .send(Inbound::Disconnected { bank, session: id })
            .await;
        ended
    }

    /// Sends what the engine queues, until it drops its handle.
    async fn speak(&self, mut send: SendStream, mut queue: mpsc::Receiver<O>) -> Result<(), StreamEnd> {
        while let Some(message) = queue.recv().await {
            write_message(
                &mut send,
                &message,
                self.hall.limits.message_bytes,
                self.hall.stall(),
            )
            .await?;
        }
        Ok(())
    }

    /// Passes on what the bank sends. When the engine is slow the bank waits, by the stream's flow control.
    async fn listen(&self, mut recv: RecvStream, session: u64) -> Result<(), StreamEnd> {
        loop {
            let limit = self.hall.limits.message_bytes;
            let message = read_message(&mut recv, limit, None, self.hall.stall()).await?;
            self.deliver(Inbound::Message {
                bank: self.bank,
                session,
                message,
            })
            .await?;
        }
    }

    async fn deliver(&self, event: Inbound<M, O>) -> Result<(), StreamEnd> {
        tokio::select! {
            sent = self.hall.inbound.send(event) => sent.map_err(|_| StreamEnd::lost("the engine has stopped")),
            reason = self.connection.closed() => Err(StreamEnd::lost(reason)),
        }
    }
}
