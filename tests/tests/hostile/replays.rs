//! What a bank said in earnest, said again: on another connection, twice on the same, and after its round.

use veilsum_link::{Connection, RecvHalf, Transport};
use veilsum_protocol::wire::frame::{HEADER, body_length, decode};
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};
use veilsum_protocol::wire::stream::{Rejected, STREAM_FRAME_LIMIT, StreamOpen, UploadReply};
use veilsum_tests::peer::{Call, Peer, soon, try_read};

use crate::scene::Hits;
use crate::streams::admitted;
use crate::tap::{Tap, stream_in};

/// All that a bank said on the connections of a tap.
#[derive(Clone)]
pub struct Recording {
    /// Its messages, as they stood on its control stream.
    messages: Vec<u8>,
    /// An upload, from the frame that opens the stream to the trailer.
    upload: Vec<u8>,
}

impl Recording {
    /// Of the connections from number `from` on.
    ///
    /// # Errors
    /// What is to be replayed and was not said yet.
    pub fn of(tap: &Tap, from: usize) -> Result<Self, &'static str> {
        let streams: Vec<Vec<u8>> = tap.heard().iter().skip(from).map(|it| stream_in(it)).collect();
        let opened = |wish: fn(&StreamOpen) -> bool| {
            let stream = streams
                .iter()
                .find(|stream| first(stream).is_some_and(|(open, _)| wish(&open)));
            stream.cloned()
        };
        let control = opened(|open| matches!(open, StreamOpen::Control)).ok_or("a control stream")?;
        let recording = Self {
            messages: first(&control).unwrap().1.to_vec(),
            upload: opened(|open| matches!(open, StreamOpen::Upload { .. })).ok_or("an upload")?,
        };
        let said = recording.said();
        let has = |what, is: fn(&ToCoordinator) -> bool| said.iter().any(is).then_some(()).ok_or(what);
        has("hello", |it| matches!(it, ToCoordinator::Hello { .. }))?;
        has("bundle", |it| matches!(it, ToCoordinator::Bundle(_)))?;
        has("ready", |it| matches!(it, ToCoordinator::Ready { .. }))?;
        has("confirm", |it| matches!(it, ToCoordinator::Confirm { .. }))?;
        has("release", |it| matches!(it, ToCoordinator::Release { .. }))?;
        has("derived", |it| matches!(it, ToCoordinator::Derived(_)))?;
        Ok(recording)
    }

    fn said(&self) -> Vec<ToCoordinator> {
        let mut said = Vec::new();
        let mut rest = &self.messages[..];
        while let Some((header, body)) = rest.split_first_chunk::<HEADER>() {
            let Some((body, next)) = body.split_at_checked(body_length(*header, usize::MAX).unwrap()) else {
                break;
            };
            said.push(decode(body, body.len()).unwrap());
            rest = next;
        }
        said
    }
}

fn first(stream: &[u8]) -> Option<(StreamOpen, &[u8])> {
    let (header, rest) = stream.split_first_chunk::<HEADER>()?;
    let (body, rest) = rest.split_at_checked(body_length(*header, STREAM_FRAME_LIMIT).ok()?)?;
    Some((decode(body, STREAM_FRAME_LIMIT).ok()?, rest))
}

/// Sends all of a recording twice, and its upload. A hit is one whose messages and upload were refused, each by its number.
pub async fn again(way: Transport, call: Call, recording: Recording, limit: usize, hits: Hits) {
    loop {
        let Some((session, mut send, mut recv)) = admitted(way, &call).await else {
            continue;
        };
        // The second time on the same connection. What is cut off at its end would be taken for a longer frame.
        let whole: usize = recording
            .said()
            .iter()
            .map(|said| {
                veilsum_protocol::wire::frame::encode_frame(said, limit)
                    .unwrap()
                    .len()
            })
            .sum();
        for _ in 0..2 {
            if send.write_all(&recording.messages[..whole]).await.is_err() {
                break;
            }
        }
        let refused = async {
            // Bundle, ready and derived of a round that is over, twice each at the least.
            let mut refused = 0;
            while refused < 2 {
                match message(&mut recv, limit).await? {
                    ToBank::Rejected(_) => refused += 1,
                    _ => continue,
                }
            }
            Some(())
        };
        soon(refused)
            .await
            .expect("the coordinator ended a connection for a replay");
        upload(&session.connection, &call, &recording.upload).await;
        hits.hit();
    }
}

async fn message(recv: &mut RecvHalf, limit: usize) -> Option<ToBank> {
    let mut header = [0; HEADER];
    recv.read_exact(&mut header).await.ok()?;
    let mut body = vec![0; body_length(header, limit).unwrap()];
    recv.read_exact(&mut body).await.ok()?;
    Some(decode(&body, limit).unwrap())
}

async fn upload(session: &Connection, call: &Call, bytes: &[u8]) {
    let (_peer, mut send, mut recv) = match session {
        Connection::Quic(quic) => {
            let (send, recv) = soon(quic.open_bi()).await.unwrap();
            (None, send.into(), recv.into())
        }
        Connection::Tcp(_) => {
            let mut peer = Peer::dial(Transport::Tcp, call).await.unwrap();
            let (send, recv) = peer.stream().await;
            (Some(peer), send, recv)
        }
    };
    // Refused before all of it is sent.
    let _ = send.write_all(bytes).await;
    let reply: UploadReply = try_read(&mut recv).await.unwrap();
    assert!(
        matches!(reply, UploadReply::Rejected(Rejected { code: 701, .. })),
        "{reply:?}"
    );
}
