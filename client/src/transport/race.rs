//! Two ways at once: the first by which the coordinator admits the bank is taken (in the manner of RFC 8305).
//!
//! The handshakes race. The word that asks for admission is said over one of them at a time, since the coordinator lets a newer
//! connection of a bank take the place of the older.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::time::{sleep, timeout};
use veilsum_link::Transport;

use super::reason::DownReason;

/// How long the first way has the field to itself. A QUIC handshake and admission take four round trips with the coordinator's
/// check of the address: a bank that is 70 ms away is admitted before TCP is tried.
pub(super) const HEAD_START: Duration = Duration::from_millis(300);

/// How long an admission may hold up the other way: a path that lets a handshake through and then nothing more.
const ADMISSION: Duration = Duration::from_secs(3);

/// How a race ended.
#[derive(Debug)]
pub(super) struct Verdict<A> {
    /// The way that is taken.
    pub(super) won: A,
    /// Why the other one failed, if it did before.
    pub(super) other: Option<DownReason>,
}

/// Runs the race. Each way is its name and its handshake.
pub(super) async fn run<D, A, F>(
    first: (Transport, impl Future<Output = Result<D, DownReason>>),
    second: (Transport, impl Future<Output = Result<D, DownReason>>),
    admit: impl Fn(D) -> F,
) -> Result<Verdict<A>, DownReason>
where
    F: Future<Output = Result<A, DownReason>>,
{
    let turn = Mutex::new(());
    let first_failed = Notify::new();
    let admitted = async |dialed: D| {
        let _turn = turn.lock().await;
        match timeout(ADMISSION, admit(dialed)).await {
            Ok(admitted) => admitted,
            Err(_) => Err(DownReason::Lost(format!(
                "the handshake was done, but no admission came in {} s",
                ADMISSION.as_secs()
            ))),
        }
    };
    let lead = async {
        let done = match first.1.await {
            Ok(dialed) => admitted(dialed).await,
            Err(reason) => Err(reason),
        };
        if done.is_err() {
            first_failed.notify_one();
        }
        done
    };
    let follow = async {
        tokio::select! {
            () = sleep(HEAD_START) => {}
            () = first_failed.notified() => {}
        }
        admitted(second.1.await?).await
    };
    tokio::pin!(lead, follow);
    let (mut lead_failed, mut follow_failed) = (None, None);
    loop {
        let failed = tokio::select! {
            done = &mut lead, if lead_failed.is_none() => match done {
                Ok(won) => return Ok(Verdict { won, other: follow_failed }),
                Err(reason) => lead_failed.insert(reason),
            },
            done = &mut follow, if follow_failed.is_none() => match done {
                Ok(won) => return Ok(Verdict { won, other: lead_failed }),
                Err(reason) => follow_failed.insert(reason),
            },
            else => break,
        };
        if failed.is_final() {
            return Err(failed.clone());
        }
    }
    match (lead_failed, follow_failed) {
        (Some(one), Some(other)) if one == other => Err(one),
        (Some(one), Some(other)) => {
            let (quic, tcp) = if first.0 == Transport::Quic {
                (one, other)
            } else {
                (other, one)
            };
            Err(DownReason::NeitherWay {
                quic: Box::new(quic),
                tcp: Box::new(tcp),
            })
        }
        (one, other) => Err(one.or(other).unwrap_or(DownReason::Replaced)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::pending;

    use super::*;

    type Dialed = Result<&'static str, DownReason>;

    fn lost(text: &str) -> DownReason {
        DownReason::Lost(text.to_owned())
    }

    async fn after(ms: u64, what: Dialed) -> Dialed {
        sleep(Duration::from_millis(ms)).await;
        what
    }

    async fn raced(
        quic: impl Future<Output = Dialed>,
        tcp: impl Future<Output = Dialed>,
    ) -> Result<Verdict<&'static str>, DownReason> {
        run((Transport::Quic, quic), (Transport::Tcp, tcp), |way| async move {
            Ok(way)
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_way_has_a_head_start_and_the_second_takes_over() {
        let won = raced(after(290, Ok("quic")), async { panic!("too early") })
            .await
            .unwrap();
        assert_eq!(won.won, "quic");
        let won = raced(pending(), after(10, Ok("tcp"))).await.unwrap();
        assert_eq!((won.won, won.other), ("tcp", None));
        // A failure ends the head start.
        let began = tokio::time::Instant::now();
        let won = raced(after(5, Err(lost("no"))), after(5, Ok("tcp")))
            .await
            .unwrap();
        assert_eq!((won.won, won.other), ("tcp", Some(lost("no"))));
        assert!(began.elapsed() < HEAD_START);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_told_for_both_ways_and_a_final_one_alone() {
        let both = raced(after(500, Err(lost("a"))), after(100, Err(lost("b"))))
            .await
            .unwrap_err();
        let expected = DownReason::NeitherWay {
            quic: Box::new(lost("a")),
            tcp: Box::new(lost("b")),
        };
        assert_eq!(both, expected);
        let alone = raced(pending(), after(1, Err(DownReason::OtherVersion)))
            .await
            .unwrap_err();
        assert_eq!(alone, DownReason::OtherVersion);
    }

    /// Two admissions at once would push each other out at the coordinator.
    #[tokio::test(start_paused = true)]
    async fn one_way_asks_for_admission_at_a_time() {
        let asking = std::cell::Cell::new(0);
        let won = run(
            (Transport::Quic, after(299, Ok("quic"))),
            (Transport::Tcp, after(0, Ok("tcp"))),
            |way| {
                let asking = &asking;
                async move {
                    asking.set(asking.get() + 1);
                    assert_eq!(asking.get(), 1, "both ask");
                    sleep(Duration::from_millis(900)).await;
                    asking.set(0);
                    Ok(way)
                }
            },
        )
        .await
        .unwrap();
        assert_eq!(won.won, "quic");
        // One that gets no answer does not hold up the other for ever.
        let won = run(
            (Transport::Quic, after(1, Ok("quic"))),
            (Transport::Tcp, after(1, Ok("tcp"))),
            |way| async move {
                if way == "quic" {
                    pending::<()>().await;
                }
                Ok(way)
            },
        )
        .await
        .unwrap();
        assert_eq!(won.won, "tcp");
    }
}
