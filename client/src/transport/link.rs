//! The link: a task that keeps a connection up, and a handle for everything that goes over it.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval_at, sleep};
use veilsum_protocol::ids::{Digest, Round};
use veilsum_protocol::wire::outbound::Departure;
use veilsum_protocol::wire::stream::CloseCode;

use super::backoff::Backoff;
use super::connect::{Admitted, LinkOptions, connect, why};
use super::fetch::{self, FetchError};
use super::framed;
use super::frames::{StreamEnd, read_message, write_message};
use super::line::Line;
use super::reason::DownReason;
use super::tls::client_config;
use super::upload::{self, UploadError};
use super::way::Way;

/// Messages that wait for the connection to take them.
const QUEUE: usize = 64;

/// How soon a bank asks again that is expected: the coordinator has said that it waits for others.
const SOON: Duration = Duration::from_secs(2);

/// How long a connection must have stood for the delays to start anew: a coordinator that admits and then fails is not to be rushed.
const STEADY: Duration = Duration::from_secs(10);

/// What happens on the link. `R` comes from the coordinator.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<R> {
    /// The coordinator has admitted the bank, by this way. Messages that were sent before may be lost.
    Up(Way),
    /// There is no connection, or no longer.
    Down {
        /// Why.
        reason: DownReason,
        /// When the next attempt is made.
        retry_in: Duration,
    },
    /// A message of the coordinator, decoded and otherwise unchecked.
    Message(R),
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link to the coordinator is down")]
pub struct NotSent;

/// The link's task has ended, because nobody reads its events any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link to the coordinator was given up")]
pub struct LinkClosed;

#[derive(Debug)]
struct Active<S> {
    line: Line,
    outbound: mpsc::Sender<S>,
}

impl<S> Clone for Active<S> {
    fn clone(&self) -> Self {
        Self {
            line: self.line.clone(),
            outbound: self.outbound.clone(),
        }
    }
}

/// A handle to the link. `S` goes to the coordinator. When every clone is dropped, the link ends.
#[derive(Debug)]
pub struct Link<S> {
    state: watch::Receiver<Option<Active<S>>>,
    stall: Duration,
}

impl<S> Clone for Link<S> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            stall: self.stall,
        }
    }
}

/// Starts the link. It connects at once, and again after every break, with delays from 0.2 s to 30 s, until every handle or the
/// receiver of events is dropped. `tell` says of each message what it is, for the account of what left. Must be called within a tokio
/// runtime.
///
/// # Errors
/// [`DownReason`] when certificate, key and authority do not work together, which no later attempt would change.
pub fn start<S, R>(
    options: LinkOptions,
    tell: fn(&S) -> Departure,
) -> Result<(Link<S>, mpsc::Receiver<Event<R>>), DownReason>
where
    S: Serialize + Send + 'static,
    R: DeserializeOwned + Send + 'static,
{
    client_config(&options)?;
    let (events, receiver) = mpsc::channel(QUEUE);
    let (publish, state) = watch::channel(None);
    let stall = Duration::from_secs(options.limits.stall_s.into());
    tokio::spawn(keep_up(options, tell, events, publish));
    Ok((Link { state, stall }, receiver))
}

impl<S: Send + 'static> Link<S> {
    /// Queues a message on the present connection, waiting while earlier ones go out. `Ok` says nothing about its arrival: after
    /// [`Event::Up`] whatever still matters is sent again.
    ///
    /// # Errors
    /// [`NotSent`] when the link is down.
    pub async fn send(&self, message: S) -> Result<(), NotSent> {
        let active = self.state.borrow().clone().ok_or(NotSent)?;
        active.outbound.send(message).await.map_err(|_| NotSent)
    }

    /// Uploads a file as the bank's masked update of a round, and waits until the coordinator has stored it. After a break it goes
    /// on with the next connection, from where the coordinator has it. `trailer` has at most 1 KiB.
    ///
    /// # Errors
    /// [`UploadError`]; breaks of the connection are not among them.
    pub async fn upload(&self, round: Round, file: &Path, trailer: &[u8]) -> Result<(), UploadError> {
        let mut tried = None;
        loop {
            let line = self.line(tried.as_ref()).await?;
            match upload::attempt(&line, round, file, trailer, self.stall).await {
                Err(UploadError::Broken(reason)) => {
                    tracing::info!(%round, reason, "an upload broke off; it goes on with the next connection");
                    line.give_up();
                    tried = Some(line);
                }
                done => return done,
            }
        }
    }

    /// Fetches a public blob of at most `limit` bytes, again after a break. The result has the SHA-256 that was asked for.
    ///
    /// # Errors
    /// [`FetchError`]; breaks of the connection are not among them.
    pub async fn fetch(&self, hash: Digest, limit: usize) -> Result<Vec<u8>, FetchError> {
        let mut tried = None;
        loop {
            let line = self.line(tried.as_ref()).await?;
            match fetch::attempt(&line, hash, limit, self.stall).await {
                Err(FetchError::Broken(reason)) => {
                    tracing::info!(%hash, reason, "a fetch broke off; it starts again with the next connection");
                    line.give_up();
                    tried = Some(line);
                }
                done => return done,
            }
        }
    }

    /// Waits for a connection other than the one that was tried already.
    async fn line(&self, tried: Option<&Line>) -> Result<Line, LinkClosed> {
        // While `tried` is held, no other connection has its id.
        let fresh = |active: &Option<Active<S>>| {
            active
                .as_ref()
                .is_some_and(|it| tried.is_none_or(|old| !old.connection.is(&it.line.connection)))
        };
        let mut state = self.state.clone();
        let active = state.wait_for(fresh).await.map_err(|_| LinkClosed)?;
        active.as_ref().map(|it| it.line.clone()).ok_or(LinkClosed)
    }
}

async fn keep_up<S, R>(
    options: LinkOptions,
    tell: fn(&S) -> Departure,
    events: mpsc::Sender<Event<R>>,
    publish: watch::Sender<Option<Active<S>>>,
) where
    S: Serialize + Send + 'static,
    R: DeserializeOwned + Send + 'static,
{
    let mut backoff = Backoff::new(options.seed);
    loop {
        let work = async {
            let reason = match connect(&options).await {
                Ok(admitted) => {
                    let since = Instant::now();
                    let reason = converse(admitted, &options, tell, &events, &publish).await;
                    if since.elapsed() >= STEADY {
                        backoff.reset();
                    }
                    reason
                }
                Err(reason) => reason,
            };
            if reason == DownReason::Replaced {
                backoff.longest();
            }
            let expected = matches!(reason, DownReason::NotYet(_));
            let retry_in = if expected { SOON } else { backoff.next() };
            if events.send(Event::Down { reason, retry_in }).await.is_ok() {
                sleep(retry_in).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = events.closed() => return,
            () = publish.closed() => return,
        }
    }
}

/// Passes messages both ways until the connection ends.
async fn converse<S, R>(
    admitted: Admitted,
    options: &LinkOptions,
    tell: fn(&S) -> Departure,
    events: &mpsc::Sender<Event<R>>,
    publish: &watch::Sender<Option<Active<S>>>,
) -> DownReason
where
    S: Serialize + Send + 'static,
    R: DeserializeOwned + Send + 'static,
{
    let Admitted {
        line,
        mut send,
        mut recv,
        way,
        mut datagrams,
        _endpoint,
    } = admitted;
    let stall = Duration::from_secs(options.limits.stall_s.into());
    let limit = options.limits.message_bytes;
    let (outbound, mut queue) = mpsc::channel(QUEUE);
    publish.send_replace(Some(Active {
        line: line.clone(),
        outbound,
    }));
    // Taken back however this function ends, so that nobody waits on a connection that is gone.
    let connection = &line.connection;
    let _withdraw = Withdraw(publish, &line);

    let speak = async {
        while let Some(message) = queue.recv().await {
            if let Err(error) = write_message(&mut send, &message, tell(&message), limit, stall).await {
                return error;
            }
        }
        StreamEnd::broken("the link was given up")
    };
    let listen = async {
        if events.send(Event::Up(way)).await.is_err() {
            return StreamEnd::broken("the link was given up");
        }
        loop {
            let message = match read_message(&mut recv, limit, None, stall).await {
                Ok(message) => message,
                Err(error) => return error,
            };
            if events.send(Event::Message(message)).await.is_err() {
                return StreamEnd::broken("the link was given up");
            }
        }
    };
    let count = async {
        let mut due = interval_at(Instant::now() + framed::EVERY, framed::EVERY);
        while let Some(datagrams) = &mut datagrams {
            due.tick().await;
            datagrams.tell();
        }
        std::future::pending::<StreamEnd>().await
    };
    let end = tokio::select! {
        end = speak => end,
        end = count => end,
        end = listen => end,
        reason = connection.closed() => StreamEnd::broken(reason),
    };
    why(connection, &end).await
}

struct Withdraw<'a, S>(&'a watch::Sender<Option<Active<S>>>, &'a Line);

impl<S> Drop for Withdraw<'_, S> {
    fn drop(&mut self) {
        self.0.send_replace(None);
        self.1.connection.close(CloseCode::Goodbye, "the bank is leaving");
    }
}
