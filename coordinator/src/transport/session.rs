//! One connection of a bank: who it is, its messages both ways, and its other streams.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quinn::VarInt;
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use veilsum_link::{Connection, RecvHalf, SendHalf, Transport};
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::roster::Roster;
use veilsum_protocol::wire::stream::{CloseCode, ControlReply, STREAM_FRAME_LIMIT, StreamOpen};

use super::fetch;
use super::frames::{StreamEnd, decoded, read_body, read_message, write_message};
use super::pace::Pace;
use super::ports::{Inbound, PublicBlobs, Room, SessionHandle, UploadGate};
use super::seats::Seats;
use super::spool::Spool;
use super::upload::Upload;
use crate::config::Limits;
use crate::enrol::inspect::facts_of_der;
use crate::enrol::revoked::{RevokedKey, RevokedList};

/// Messages of a bank that the engine may have before it at most, however short they are.
const MOST_AHEAD: usize = 64;

const CHANGED: &str = "another roster is in force; the bank comes in again by itself";
const LEFT: &str = "this bank is not in the roster that is in force now";

const REPLACED: &str = "a newer connection with this bank's key took its place";

/// The connection on which a bank is admitted.
#[derive(Clone)]
pub(super) struct Current {
    session: u64,
    connection: Connection,
    /// Whether the engine knows of it.
    admitted: Arc<AtomicBool>,
    /// Uploads and fetches that may be open beside it, where they are connections of their own.
    places: Arc<Semaphore>,
}

/// What all sessions share.
pub(super) struct Hall<M, O> {
    pub(super) roster: Arc<Roster>,
    /// Who is let in no more, whatever the roster says.
    pub(super) revoked: RevokedList,
    pub(super) roster_hash: Digest,
    pub(super) seats: Arc<Seats>,
    pub(super) limits: Limits,
    pub(super) gate: Arc<dyn UploadGate>,
    pub(super) blobs: Arc<dyn PublicBlobs>,
    pub(super) spool: Arc<Spool>,
    pub(super) inbound: mpsc::Sender<Inbound<M, O>>,
    /// Filled once, when the spool can no longer be trusted.
    pub(super) failed: mpsc::Sender<std::io::Error>,
    pub(super) next_session: Arc<AtomicU64>,
    pub(super) current: Mutex<HashMap<BankIndex, Current>>,
    /// Connections whose first frame has not come. See [`Hall::knock`].
    pub(super) waiting: Mutex<HashMap<(BankIndex, Transport), VecDeque<Connection>>>,
    /// One upload of a bank at a time, also across connections: two would write the same file.
    pub(super) uploading: HashMap<BankIndex, tokio::sync::Mutex<()>>,
    /// Bytes of messages that the engine may still have before it of each bank, also across connections.
    pub(super) rooms: HashMap<BankIndex, Arc<Semaphore>>,
    /// When each bank was admitted last.
    pub(super) paces: HashMap<BankIndex, Mutex<Pace>>,
    /// Connections of each bank that ended and may still say why. See [`Hall::farewell`].
    pub(super) farewells: HashMap<BankIndex, Arc<Semaphore>>,
}

impl<M, O> Hall<M, O> {
    fn stall(&self) -> Duration {
        Duration::from_secs(self.limits.stall_s.into())
    }

    /// Most connections of a bank that may be on their way out, where each stream is a connection of its own: all that it can have.
    pub(super) fn most_farewells(limits: &Limits) -> usize {
        let streams = usize::try_from(limits.streams).unwrap_or(usize::MAX);
        streams.saturating_add(1).saturating_mul(2)
    }

    /// A place for the last words of a connection. Whoever ends connections faster than it hears the last words of them goes without, and
    /// pins no more of this machine's memory and file descriptors.
    pub(super) fn farewell(&self, bank: BankIndex) -> Option<OwnedSemaphorePermit> {
        Arc::clone(self.farewells.get(&bank)?).try_acquire_owned().ok()
    }

    /// Takes an admission of the bank, or tells when there is one.
    fn pace(&self, bank: BankIndex) -> Result<(), Instant> {
        let Some(pace) = self.paces.get(&bank) else {
            return Ok(());
        };
        pace.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(Instant::now())
    }

    /// Waits at the door. One connection of a bank has room there, so that one key cannot pin the memory of many; where each stream is a
    /// connection of its own, one more for each stream that an admitted bank may open. Who comes when it is full takes the place of the
    /// earliest that waits. The connection that is admitted stays: whoever waits may never open a control stream.
    fn knock(&self, bank: BankIndex, connection: &Connection) {
        let transport = connection.transport();
        let room = match self.streams_of(bank) {
            Some(_) if transport == Transport::Tcp => self.streams().saturating_add(1),
            _ => 1,
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let door = waiting.entry((bank, transport)).or_default();
        while door.len() >= room {
            let Some(earliest) = door.pop_front() else { break };
            earliest.close(CloseCode::Replaced, REPLACED);
        }
        door.push_back(connection.clone());
    }

    /// Waits no more: admitted or gone.
    fn stop_waiting(&self, bank: BankIndex, connection: &Connection) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (bank, connection.transport());
        if let Some(door) = waiting.get_mut(&place) {
            door.retain(|it| !it.is(connection));
            if door.is_empty() {
                waiting.remove(&place);
            }
        }
    }

    /// Takes the place of the bank's earlier connection, if there is one.
    fn enter(&self, bank: BankIndex, connection: &Connection, admitted: &Arc<AtomicBool>) -> u64 {
        self.stop_waiting(bank, connection);
        let session = self.next_session.fetch_add(1, Ordering::Relaxed);
        let entering = Current {
            session,
            connection: connection.clone(),
            admitted: Arc::clone(admitted),
            places: Arc::new(Semaphore::new(self.streams())),
        };
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = current.insert(bank, entering) {
            if earlier.connection.end().is_none() {
                let (before, now) = (earlier.connection.remote_address(), connection.remote_address());
                let entry = self.roster.bank(bank);
                if entry.is_some_and(|entry| self.seats.replaced(entry.tls_key, before, now)) {
                    tracing::warn!(
                        %bank,
                        %before,
                        %now,
                        "this bank connects from two places: two daemons run with one identity; tell the bank to stop one"
                    );
                } else {
                    tracing::warn!(
                        %bank,
                        %before,
                        %now,
                        "a newer connection with this bank's key takes the place of one that stood; if this comes again, two daemons run with one identity: tell the bank to stop one"
                    );
                }
            }
            earlier.connection.close(CloseCode::Replaced, REPLACED);
        }
        session
    }

    fn leave(&self, bank: BankIndex, session: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.get(&bank).is_some_and(|it| it.session == session) {
            current.remove(&bank);
        }
    }

    fn streams(&self) -> usize {
        usize::try_from(self.limits.streams).unwrap_or(usize::MAX)
    }

    /// The bank's session, if it is admitted and its streams are connections of their own.
    fn streams_of(&self, bank: BankIndex) -> Option<Current> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current
            .get(&bank)
            .filter(|it| it.connection.transport() == Transport::Tcp && it.admitted.load(Ordering::Relaxed))
            .cloned()
    }

    /// Ends the connections of banks whose access was taken away since.
    pub(super) fn close_revoked(&self, revoked: &[RevokedKey]) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for key in revoked {
            let Some(bank) = self.roster.by_tls_key(key.tls_key) else {
                continue;
            };
            let admitted = current.get(&bank.index).map(|it| &it.connection);
            let at_the_door = waiting.iter().filter(|(place, _)| place.0 == bank.index);
            for connection in admitted.into_iter().chain(at_the_door.flat_map(|(_, door)| door)) {
                if connection.end().is_none() {
                    tracing::warn!(bank = %bank.name, "a connection is closed: {}", key.words());
                    connection.close(CloseCode::Revoked, &key.words());
                }
            }
        }
    }

    /// Ends every connection that came by TCP; those by QUIC end with their endpoint.
    pub(super) fn close_all(&self, code: CloseCode, reason: &str) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = current.values().map(|it| &it.connection);
        for connection in admitted.chain(waiting.values().flatten()) {
            if connection.transport() == Transport::Tcp {
                connection.close(code, reason);
            }
        }
    }

    /// Another roster is in force: every connection ends, and who is not in it any more is told so.
    pub(super) fn clear(&self, roster: &Roster) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let admitted = current.iter().map(|(bank, it)| (bank, &it.connection));
        let doors = waiting.iter();
        let at_the_door = doors.flat_map(|((bank, _), door)| door.iter().map(move |it| (bank, it)));
        for (bank, connection) in admitted.chain(at_the_door) {
            let entry = self.roster.bank(*bank);
            let stays = entry.is_some_and(|entry| roster.by_tls_key(entry.tls_key).is_some());
            let (code, reason) = if stays {
                (CloseCode::Goodbye, CHANGED)
            } else {
                (CloseCode::NotInRoster, LEFT)
            };
            connection.close(code, reason);
        }
    }
}

/// The bank whose key the peer proved to hold in the handshake; for others, how they are refused. Reads a small file.
pub(super) fn identify<M, O>(
    certificate: Option<&CertificateDer<'static>>,
    hall: &Hall<M, O>,
) -> Result<BankIndex, (CloseCode, String)> {
    let stranger = |reason: String| (CloseCode::NotInRoster, reason);
    let certificate = certificate.ok_or_else(|| stranger("no client certificate".to_owned()))?;
    let facts = facts_of_der(certificate).map_err(stranger)?;
    match hall.revoked.get(facts.tls_key) {
        Ok(None) => {}
        Ok(Some(key)) => return Err((CloseCode::Revoked, key.words())),
        Err(error) => {
            tracing::error!("no bank is let in: {error}");
            let text = "the coordinator cannot read its list of revoked keys";
            return Err((CloseCode::Goodbye, text.to_owned()));
        }
    }
    if let Some(entry) = hall.roster.by_tls_key(facts.tls_key) {
        hall.seats.showed(facts.tls_key, facts.not_after);
        return Ok(entry.index);
    }
    if let Some(waits_for) = hall.seats.knock(&facts.tls_key) {
        return Err((CloseCode::NotYet, waits_for));
    }
    Err(stranger(format!(
        "{} with TLS key {} is not in the roster of {}",
        facts.subject,
        facts.tls_key,
        hall.roster.consortium()
    )))
}

struct Session<M, O> {
    hall: Arc<Hall<M, O>>,
    connection: Connection,
    bank: BankIndex,
    control_taken: AtomicBool,
    admitted: Arc<AtomicBool>,
}

impl<M, O> Session<M, O> {
    fn new(hall: &Arc<Hall<M, O>>, connection: &Connection, bank: BankIndex) -> Self {
        Self {
            hall: Arc::clone(hall),
            connection: connection.clone(),
            bank,
            control_taken: AtomicBool::new(false),
            admitted: Arc::default(),
        }
    }
}

/// Serves a bank's QUIC connection with all its streams until it is closed.
pub(super) async fn serve_quic<M, O>(hall: Arc<Hall<M, O>>, quic: quinn::Connection, bank: BankIndex)
where
    M: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    let deadline = Instant::now() + Duration::from_secs(hall.limits.handshake_s.into());
    let connection = Connection::Quic(quic.clone());
    hall.knock(bank, &connection);
    let session = Arc::new(Session::new(&hall, &connection, bank));
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            stream = quic.accept_bi() => match stream {
                Ok((send, recv)) => {
                    let session = Arc::clone(&session);
                    streams.spawn(async move { session.stream(send.into(), recv.into()).await });
                }
                Err(_) => break,
            },
            Some(_) = streams.join_next() => {}
            () = sleep_until(deadline), if !session.control_taken.load(Ordering::Relaxed) => {
                // The guard was looked at when the wait began; the stream may have come since.
                if !session.control_taken.load(Ordering::Relaxed) {
                    connection.close(CloseCode::TooSlow, "no control stream was opened");
                }
            }
        }
    }
    hall.stop_waiting(bank, &connection);
    // Every stream notices the end by itself. None is aborted, since one may be writing to the spool.
    while streams.join_next().await.is_some() {}
}

/// Serves a bank's TLS connection, which carries one stream, until it is closed.
pub(super) async fn serve_tcp<M, O>(
    hall: Arc<Hall<M, O>>,
    connection: Connection,
    (mut send, mut recv): (SendHalf, RecvHalf),
    bank: BankIndex,
) where
    M: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    let deadline = Instant::now() + Duration::from_secs(hall.limits.handshake_s.into());
    hall.knock(bank, &connection);
    let own = Session::new(&hall, &connection, bank);
    let first = read_message(&mut recv, STREAM_FRAME_LIMIT, None, hall.stall());
    let open = match timeout_at(deadline, first).await {
        Ok(Ok(open)) => open,
        Ok(Err(end)) => {
            hall.stop_waiting(bank, &connection);
            return own.ended(Err(end));
        }
        Err(_) => {
            hall.stop_waiting(bank, &connection);
            return connection.close(CloseCode::TooSlow, "no stream was opened");
        }
    };
    if matches!(open, StreamOpen::Control) {
        own.control_taken.store(true, Ordering::Relaxed);
        let served = own.control(send, recv).await;
        hall.stop_waiting(bank, &connection);
        return own.ended(served);
    }
    let Some(current) = hall.streams_of(bank) else {
        hall.stop_waiting(bank, &connection);
        return own.ended(Err(StreamEnd::violation("the control stream comes first")));
    };
    // It still waits at the door until one of the bank's places is free.
    let place = tokio::select! {
        place = current.places.acquire() => place.ok(),
        _ = connection.closed() => None,
        _ = current.connection.closed() => None,
        () = sleep_until(Instant::now() + hall.stall()) => None,
    };
    hall.stop_waiting(bank, &connection);
    if place.is_some() {
        // What goes wrong on the stream ends the bank's session, as on QUIC, and the end of the session ends the stream.
        let session = Session {
            connection: current.connection.clone(),
            admitted: current.admitted,
            ..own
        };
        let served = session.perform(open, &mut send, &mut recv);
        tokio::pin!(served);
        let served = tokio::select! {
            served = &mut served => served,
            _ = current.connection.closed() => {
                connection.close(CloseCode::Goodbye, "the session has ended");
                // Not aborted, since it may be writing to the spool.
                served.await
            }
        };
        if served.is_ok() {
            return;
        }
        session.ended(served);
    }
    connection.close(
        CloseCode::Goodbye,
        "the session has ended, or has no place for a stream",
    );
}

impl<M, O> Session<M, O>
where
    M: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    async fn stream(&self, send: SendHalf, recv: RecvHalf) {
        let served = self.serve(send, recv).await;
        self.ended(served);
    }

    /// Closes the connection if the stream's end calls for it.
    fn ended(&self, served: Result<(), StreamEnd>) {
        match served {
            Ok(()) => {}
            Err(StreamEnd::Lost(reason)) => tracing::debug!(bank = %self.bank, reason, "a stream ended"),
            Err(StreamEnd::Offence { code, text }) => {
                tracing::warn!(bank = %self.bank, ?code, text, "the bank's connection is closed");
                self.connection.close(code, &text);
            }
            Err(error @ StreamEnd::Unsendable(_)) => {
                tracing::error!(bank = %self.bank, %error, "limits.message_bytes is too small");
                self.connection.close(
                    CloseCode::Goodbye,
                    "the coordinator has a message larger than its own limit",
                );
            }
            Err(StreamEnd::Spool(error)) => {
                self.connection
                    .close(CloseCode::Goodbye, "the coordinator's disk failed");
                // Full only if a failure waits there already.
                let _ = self.hall.failed.try_send(error);
            }
        }
    }

    async fn serve(&self, mut send: SendHalf, mut recv: RecvHalf) -> Result<(), StreamEnd> {
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
            open => self.perform(open, &mut send, &mut recv).await,
        }
    }

    /// An upload or a fetch of a bank that is admitted.
    async fn perform(
        &self,
        open: StreamOpen,
        send: &mut SendHalf,
        recv: &mut RecvHalf,
    ) -> Result<(), StreamEnd> {
        let hall = &self.hall;
        let stall = hall.stall();
        match open {
            StreamOpen::Control => Err(StreamEnd::violation("a second control stream")),
            StreamOpen::Fetch { hash } => fetch::serve(Arc::clone(&hall.blobs), hash, send, stall).await,
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
                upload.receive(send, recv).await
            }
        }
    }

    async fn control(&self, mut send: SendHalf, recv: RecvHalf) -> Result<(), StreamEnd> {
        let bank = self.bank;
        let hall = &self.hall;
        while let Err(at) = hall.pace(bank) {
            tokio::select! {
                () = sleep_until(at) => {}
                reason = self.connection.closed() => return Err(StreamEnd::lost(reason)),
            }
        }
        let id = hall.enter(bank, &self.connection, &self.admitted);
        let (outbound, queue) = mpsc::channel(hall.limits.outbound_messages);
        let session = SessionHandle {
            id,
            roster: hall.roster_hash,
            outbound,
        };
        if let Err(gone) = self.deliver(Inbound::Connected { bank, session }).await {
            hall.leave(bank, id);
            return Err(gone);
        }
        // All of the window only now: what waits at the door pins next to nothing.
        if let Connection::Quic(quic) = &self.connection {
            quic.set_receive_window(VarInt::from_u32(hall.limits.connection_window_bytes));
        }
        tracing::info!(%bank, session = id, remote = %self.connection.remote_address(), over = %self.connection.transport(), "a bank is connected");
        self.admitted.store(true, Ordering::Relaxed);
        let streams = u16::try_from(hall.limits.streams).unwrap_or(u16::MAX);
        let admitted = ControlReply::Admitted { bank, streams };
        let ended = match write_message(&mut send, &admitted, STREAM_FRAME_LIMIT, hall.stall()).await {
            Ok(()) => tokio::select! {
                ended = self.speak(send, queue) => ended,
                ended = self.listen(recv, id) => ended,
            },
            Err(error) => Err(error),
        };
        // The connection ends with its messages, and before the engine hears that it did.
        if let Err(StreamEnd::Offence { code, text }) = &ended {
            self.connection.close(*code, text);
        }
        self.connection
            .close(CloseCode::Goodbye, "the coordinator ended the session");
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
    async fn speak(&self, mut send: SendHalf, mut queue: mpsc::Receiver<O>) -> Result<(), StreamEnd> {
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
    async fn listen(&self, mut recv: RecvHalf, session: u64) -> Result<(), StreamEnd> {
        loop {
            let limit = self.hall.limits.message_bytes;
            let body = read_body(&mut recv, limit, None, self.hall.stall()).await?;
            let body = body.map_err(StreamEnd::violation)?;
            // Before it is decoded, because a decoded message may take several times its bytes.
            let room = self.room(body.len().max(limit / MOST_AHEAD)).await?;
            let message = decoded(&body, limit)?;
            drop(body);
            self.deliver(Inbound::Message {
                bank: self.bank,
                session,
                message,
                room,
            })
            .await?;
        }
    }

    /// Waits until the engine has dealt with so much of the bank that a message of `length` bytes has room.
    async fn room(&self, length: usize) -> Result<Room, StreamEnd> {
        let bytes = u32::try_from(length).map_err(StreamEnd::violation)?;
        let rooms = self.hall.rooms.get(&self.bank);
        let rooms = rooms.ok_or_else(|| StreamEnd::lost("not in the roster"))?;
        tokio::select! {
            room = Arc::clone(rooms).acquire_many_owned(bytes) => match room {
                Ok(bytes) => Ok(Room { _bytes: bytes }),
                Err(closed) => Err(StreamEnd::lost(closed)),
            },
            reason = self.connection.closed() => Err(StreamEnd::lost(reason)),
        }
    }

    async fn deliver(&self, event: Inbound<M, O>) -> Result<(), StreamEnd> {
        tokio::select! {
            sent = self.hall.inbound.send(event) => sent.map_err(|_| StreamEnd::lost("the engine has stopped")),
            reason = self.connection.closed() => Err(StreamEnd::lost(reason)),
        }
    }
}
