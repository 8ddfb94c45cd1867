//! What only a bank of the consortium can do: frames, messages, uploads and fetches that are none, on connections with a certificate.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::interval;
use veilsum_link::{Connection, End, RecvHalf, SendHalf, Transport};
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round};
use veilsum_protocol::wire::frame::encode_frame;
use veilsum_protocol::wire::message::{ToCoordinator, WIRE_VERSION};
use veilsum_protocol::wire::stream::{
    CloseCode, ControlReply, FetchReply, Rejected, STREAM_FRAME_LIMIT, StreamOpen, UploadReply,
};
use veilsum_tests::peer::{Call, Peer, soon, try_read};

use crate::scene::Hits;

/// A round that is far away.
const FAR: Round = Round(1 << 40);

/// Between two bytes of somebody who takes his time.
const DRIP: Duration = Duration::from_millis(50);

/// A bank that was admitted; `None` if a newer connection of it came before.
pub async fn admitted(way: Transport, call: &Call) -> Option<(Peer, SendHalf, RecvHalf)> {
    // At the door there may be no place for a moment.
    let mut peer = Peer::dial(way, call).await.ok()?;
    let (mut send, mut recv) = peer.stream().await;
    send.write_all(&open(StreamOpen::Control)).await.ok()?;
    let reply: ControlReply = try_read(&mut recv).await.ok()?;
    assert!(matches!(reply, ControlReply::Admitted { .. }));
    Some((peer, send, recv))
}

pub fn open(what: StreamOpen) -> Vec<u8> {
    encode_frame(&what, STREAM_FRAME_LIMIT).unwrap()
}

fn frame(message: &ToCoordinator, limit: usize) -> Vec<u8> {
    encode_frame(message, limit).unwrap()
}

/// Hello of a bank that has the keys of the first epoch.
pub fn hello(log_size: u64) -> ToCoordinator {
    ToCoordinator::Hello {
        wire: WIRE_VERSION,
        software: "hostile".to_owned(),
        log_size,
        armed: vec![Epoch(1)],
    }
}

/// The code with which the coordinator closed.
async fn code(peer: &Peer) -> Option<CloseCode> {
    match peer.closed().await {
        End::Closed { code, .. } => CloseCode::from_number(code),
        _ => None,
    }
}

/// Frames that are too long, cut, random or of another type. A hit is a connection that was closed for it.
pub async fn bad_frames(way: Transport, call: Call, limit: usize, hits: Hits) {
    let over = u32::try_from(limit + 1).unwrap().to_be_bytes().to_vec();
    let random = (0..97_u8).map(|byte| byte.wrapping_mul(167) ^ 0x5a);
    let offences = [
        u32::MAX.to_be_bytes().to_vec(),
        over,
        [vec![0, 0, 0, 97], random.collect()].concat(),
        [&frame(&hello(0), limit)[..], &[0, 0, 0, 0]].concat(),
        [0xff; 64].to_vec(),
        open(StreamOpen::Control),
        // A list that promises more than the frame could hold: messages of the second kind begin with the epoch.
        [&[0, 0, 0, 20][..], &[0, 0, 0, 2], &[0; 8], &[0xff; 8]].concat(),
    ];
    for offence in offences.iter().cycle() {
        let Some((peer, mut send, _recv)) = admitted(way, &call).await else {
            continue;
        };
        send.write_all(offence).await.unwrap();
        assert_eq!(
            code(&peer).await,
            Some(CloseCode::ProtocolViolation),
            "{offence:x?}"
        );
        hits.hit();
    }
}

/// Frames that never end: a length and nothing, all of it but the last byte, and one byte at a time. A hit is a connection that was
/// closed for it.
pub async fn unfinished_frames(way: Transport, call: Call, limit: usize, hits: Hits) {
    let bomb = u32::try_from(limit).unwrap().to_be_bytes().to_vec();
    let whole = [&bomb[..], &vec![0; limit - 1]].concat();
    let slowly = frame(&hello(0), limit);
    loop {
        for (bytes, pace) in [(&bomb, None), (&whole, None), (&slowly, Some(DRIP))] {
            let Some((peer, mut send, _recv)) = admitted(way, &call).await else {
                continue;
            };
            let Some(pace) = pace else {
                let _ = send.write_all(bytes).await;
                assert_eq!(code(&peer).await, Some(CloseCode::TooSlow));
                hits.hit();
                continue;
            };
            let mut pace = interval(pace);
            for byte in bytes.iter() {
                pace.tick().await;
                if send.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            assert_eq!(code(&peer).await, Some(CloseCode::TooSlow));
            hits.hit();
        }
    }
}

/// The longest messages that there are, of the kind that takes most memory once it is decoded, as fast as they are taken. A hit is one of them.
pub async fn long_messages(way: Transport, call: Call, limit: usize, hits: Hits) {
    let peer = BankIndex::new(1).unwrap();
    let message = ToCoordinator::PairCiphertexts {
        epoch: Epoch(1),
        ciphertexts: vec![(peer, Vec::new()); (limit - 20) / 10],
    };
    let frame = frame(&message, limit);
    loop {
        let Some((_peer, mut send, _recv)) = admitted(way, &call).await else {
            continue;
        };
        while soon(send.write_all(&frame)).await.is_ok() {
            hits.hit();
        }
    }
}

/// Hello of a bank that knows nothing of the log and reads nothing of it, again and again. A hit is a connection.
pub async fn deaf(way: Transport, call: Call, limit: usize, hits: Hits) {
    let hello = frame(&hello(0), limit);
    let mut held = Vec::new();
    loop {
        let Some((peer, mut send, recv)) = admitted(way, &call).await else {
            continue;
        };
        let _ = send.write_all(&hello).await;
        hits.hit();
        // Not closed by this side for a while, though the next takes its place.
        held.push((peer, send, recv));
        if held.len() > 20 {
            held.clear();
        }
    }
}

/// As many streams as there may be and more, for uploads that nobody waits for, and for blobs that are there or not, in a loop. A hit is
/// a stream that was answered.
pub async fn many_streams(way: Transport, call: Call, known: Digest, streams: usize, hits: Hits) {
    loop {
        let Some((session, _send, _recv)) = admitted(way, &call).await else {
            continue;
        };
        let mut flood = JoinSet::new();
        for number in 0..400 {
            // Over TCP those that find no place are closed at once, so no more wait than one by one gets in.
            while flood.len() >= 3 * streams {
                flood.join_next().await.unwrap().unwrap();
            }
            let (connection, call, hits) = (session.connection.clone(), call.clone(), hits.clone());
            flood.spawn(async move {
                if one_stream(&connection, &call, known, number).await.is_some() {
                    hits.hit();
                }
            });
        }
        while flood.join_next().await.is_some() {}
    }
}

async fn one_stream(connection: &Connection, call: &Call, known: Digest, number: u64) -> Option<()> {
    let (_peer, mut send, mut recv) = match connection {
        Connection::Quic(quic) => {
            let (send, recv) = soon(quic.open_bi()).await.ok()?;
            (None, send.into(), recv.into())
        }
        Connection::Tcp(_) => {
            let mut peer = Peer::dial(Transport::Tcp, call).await.ok()?;
            let (send, recv) = peer.stream().await;
            (Some(peer), send, recv)
        }
    };
    let what = match number % 3 {
        0 => StreamOpen::Upload {
            round: Round(FAR.0 + number),
            length: u64::MAX - number,
        },
        1 => StreamOpen::Fetch {
            hash: Digest::of(&number.to_be_bytes()),
        },
        _ => StreamOpen::Fetch { hash: known },
    };
    send.write_all(&open(what)).await.ok()?;
    match number % 3 {
        0 => {
            let reply: UploadReply = try_read(&mut recv).await.ok()?;
            assert!(
                matches!(reply, UploadReply::Rejected(Rejected { code: 701, .. })),
                "{reply:?}"
            );
        }
        1 => assert_eq!(
            try_read::<FetchReply>(&mut recv).await.ok()?,
            FetchReply::NoSuchBlob
        ),
        _ => {
            // Left unread.
            let reply: FetchReply = try_read(&mut recv).await.ok()?;
            assert!(matches!(reply, FetchReply::Blob { .. }), "{reply:?}");
        }
    }
    Some(())
}

/// Streams that are opened and say nothing more, so that all of them are held. A hit is a session that was closed for it.
pub async fn mute_streams(way: Transport, call: Call, streams: usize, hits: Hits) {
    loop {
        let Some((mut session, _send, _recv)) = admitted(way, &call).await else {
            continue;
        };
        let mut held = Vec::new();
        for _ in 0..streams {
            match way {
                Transport::Quic => {
                    let (mut send, recv) = session.stream().await;
                    // Otherwise the coordinator does not hear of it.
                    let _ = send.write_all(&[0]).await;
                    held.push((None, send, recv));
                }
                Transport::Tcp => {
                    let Ok(mut peer) = Peer::dial(way, &call).await else {
                        continue;
                    };
                    let (mut send, recv) = peer.stream().await;
                    let _ = send.write_all(&[0]).await;
                    held.push((Some(peer), send, recv));
                }
            }
        }
        // Over TCP it is the connection that was opened, not the session, that is at fault.
        let last = held
            .last()
            .and_then(|(peer, ..)| peer.as_ref())
            .unwrap_or(&session);
        assert_eq!(code(last).await, Some(CloseCode::TooSlow));
        hits.hit();
    }
}

/// Connections with a control stream, each of which takes the place of the one before, at the door or inside; eight at a time. Every other
/// is left open. A hit is one that stood and asked.
pub async fn reconnections(way: Transport, call: Call, hits: Hits) {
    let mut storm = JoinSet::new();
    loop {
        while storm.len() < 8 {
            let (call, hits) = (call.clone(), hits.clone());
            storm.spawn(async move {
                let mut left = Vec::new();
                for number in 0..20 {
                    let Ok(mut peer) = Peer::dial(way, &call).await else {
                        continue;
                    };
                    let (mut send, mut recv) = peer.stream().await;
                    if send.write_all(&open(StreamOpen::Control)).await.is_ok() {
                        hits.hit();
                        // Or why not.
                        let _ = try_read::<ControlReply>(&mut recv).await;
                    }
                    if number % 2 == 0 {
                        left.push((peer, send, recv));
                    }
                }
            });
        }
        storm.join_next().await.unwrap().unwrap();
    }
}
