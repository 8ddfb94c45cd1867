//! `v1/frames.json`: a frame of every variant of every message, and bodies that are none.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use veilsum_protocol::crypto::signing::Signature;
use veilsum_protocol::ids::{Digest, Epoch, Round};
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::wire::frame::{self, FrameError};
use veilsum_protocol::wire::message::{MESSAGE_LIMIT, Rejection, ToBank, ToCoordinator};
use veilsum_protocol::wire::refusal::{Refusal, RefusalReason};
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::RosterApproval;
use veilsum_protocol::wire::stream::{
    ControlReply, FetchReply, Rejected, STREAM_FRAME_LIMIT, StreamOpen, UploadReply,
};

use crate::round::{play, variant};
use crate::statements::key;
use crate::{bank, frozen, unhex};

/// Variant and frame, for every variant of `T`.
struct Frames<T> {
    limit: usize,
    frames: BTreeMap<String, Value>,
    of: std::marker::PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned + Debug + PartialEq> Frames<T> {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            frames: BTreeMap::new(),
            of: std::marker::PhantomData,
        }
    }

    /// Keeps the first frame of each variant; it must give the message back.
    fn add(&mut self, message: &T) {
        let bytes = frame::encode_frame(message, self.limit).unwrap();
        let (header, body) = bytes.split_first_chunk::<{ frame::HEADER }>().unwrap();
        assert_eq!(frame::body_length(*header, self.limit), Ok(body.len()));
        assert_eq!(&frame::decode::<T>(body, self.limit).unwrap(), message);
        self.frames
            .entry(variant(message))
            .or_insert_with(|| frozen::shown(&bytes));
    }

    fn finish(self) -> Value {
        assert_eq!(self.frames.len(), variants::<T>(), "{:?}", self.frames.keys());
        json!(self.frames)
    }
}

/// How many variants the decoder knows: what it says of a tag that is none.
fn variants<T: DeserializeOwned + Debug>() -> usize {
    let Err(FrameError::Malformed(text)) = frame::decode::<T>(&[0xff; 4], 4) else {
        panic!("the tag 2^32 - 1 was accepted");
    };
    let (_, count) = text.rsplit_once("0 <= i < ").unwrap();
    count
        .split(|letter: char| !letter.is_ascii_digit())
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

fn messages() -> Value {
    let (_, _, heard) = play();
    let mut up = Frames::<ToCoordinator>::new(MESSAGE_LIMIT);
    let mut down = Frames::<ToBank>::new(MESSAGE_LIMIT);
    for heard in heard {
        if heard.up {
            up.add(&frame::decode(&heard.body, MESSAGE_LIMIT).unwrap());
        } else {
            down.add(&frame::decode(&heard.body, MESSAGE_LIMIT).unwrap());
        }
    }
    // What a good round has no use for.
    up.add(&ToCoordinator::SitsOut { round: Round(8) });
    up.add(&ToCoordinator::Objection {
        check: Check::OtherState,
        round: Some(Round(8)),
    });
    up.add(&ToCoordinator::RosterApproval(Signed::sign(
        &key(),
        RosterApproval {
            proposal: Digest([7; 32]),
            bank: bank(2),
        },
    )));
    up.add(&ToCoordinator::RosterRefusal {
        proposal: Digest([7; 32]),
    });
    up.add(&ToCoordinator::RosterPinned {
        roster: Digest([8; 32]),
    });
    up.add(&ToCoordinator::Refusal(Signed::sign(
        &key(),
        Refusal {
            task: Digest([1; 32]),
            bank: bank(2),
            reason: RefusalReason::Columns,
        },
    )));
    down.add(&ToBank::Welcome {
        wire: 1,
        software: "veilsum-coordinator 0.1.0".to_owned(),
    });
    down.add(&ToBank::Rejected(Rejection::new(
        Check::Upload,
        "found 1, expected 2",
    )));
    json!({ "to_coordinator": up.finish(), "to_bank": down.finish() })
}

fn streams() -> Value {
    let mut open = Frames::new(STREAM_FRAME_LIMIT);
    open.add(&StreamOpen::Control);
    open.add(&StreamOpen::Upload {
        round: Round(8),
        length: 65_536,
    });
    open.add(&StreamOpen::Fetch {
        hash: Digest([1; 32]),
    });
    let mut control = Frames::new(STREAM_FRAME_LIMIT);
    control.add(&ControlReply::Admitted {
        bank: bank(2),
        streams: 4,
    });
    let mut upload = Frames::new(STREAM_FRAME_LIMIT);
    upload.add(&UploadReply::From { offset: 7 });
    upload.add(&UploadReply::Stored);
    upload.add(&UploadReply::Rejected(Rejected::new(
        Rejected::WRONG_LENGTH,
        "found 1",
    )));
    let mut fetch = Frames::new(STREAM_FRAME_LIMIT);
    fetch.add(&FetchReply::Blob { length: 7 });
    fetch.add(&FetchReply::NoSuchBlob);
    json!({
        "stream_open": open.finish(),
        "control_reply": control.finish(),
        "upload_reply": upload.finish(),
        "fetch_reply": fetch.finish(),
    })
}

/// What a reader gives up on: the header, or the body.
fn step<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> &'static str {
    let (header, body) = bytes.split_first_chunk().unwrap();
    match frame::body_length(*header, limit).and_then(|_| frame::decode::<T>(body, limit).map(drop)) {
        Ok(()) => "nothing",
        Err(FrameError::TooLarge { .. }) => "too large",
        Err(FrameError::LeftOver { .. }) => "left over",
        Err(FrameError::Malformed(_)) => "malformed",
        Err(FrameError::NotEncodable(_)) => "not encodable",
    }
}

fn bad() -> Value {
    let refused = |name: &str, bytes: Vec<u8>, fails: &str| {
        assert_eq!(step::<ToCoordinator>(&bytes, MESSAGE_LIMIT), fails, "{name}");
        json!({ "name": name, "to_coordinator": hex::encode(bytes), "fails": fails })
    };
    let framed = |body: &[u8]| frame::frame_bytes(body, MESSAGE_LIMIT).unwrap();
    let body = |message: &ToCoordinator| frame::encode(message, MESSAGE_LIMIT).unwrap();
    let armed = body(&ToCoordinator::Armed { epoch: Epoch(1) });
    let objection = body(&ToCoordinator::Objection {
        check: Check::OtherState,
        round: None,
    });
    let confirmations = |of: &[_]| {
        body(&ToCoordinator::PairConfirmations {
            epoch: Epoch(1),
            confirmations: of.to_vec(),
        })
    };
    let confirm = body(&ToCoordinator::Confirm {
        round: Round(8),
        signature: Signature([9; 64]),
    });
    let put = |body: &[u8], at: usize, bytes: &[u8]| {
        let mut out = body.to_vec();
        out[at..at + bytes.len()].copy_from_slice(bytes);
        out
    };
    // A tag is 4 bytes, an epoch, a round or a count 8, a check number 2.
    let one = confirmations(&[(bank(1), [3; 32])]);
    json!([
        refused("a body over the limit", unhex("00400001"), "too large"),
        refused("a body of 2^32 - 1 bytes", unhex("ffffffff"), "too large"),
        refused("an empty body", framed(&[]), "malformed"),
        refused(
            "a trailing byte",
            framed(&[&armed[..], &[0]].concat()),
            "left over"
        ),
        refused(
            "the last byte is missing",
            framed(&armed[..armed.len() - 1]),
            "malformed"
        ),
        refused(
            "a variant that is none",
            framed(&put(&armed, 0, &[0, 0, 0, 99])),
            "malformed"
        ),
        refused(
            "check 999",
            framed(&put(&objection, 4, &999u16.to_be_bytes())),
            "malformed"
        ),
        refused(
            "neither some nor none",
            framed(&put(&objection, 6, &[2])),
            "malformed"
        ),
        refused(
            "2^64 - 1 confirmations",
            framed(&put(&one, 12, &u64::MAX.to_be_bytes())),
            "malformed"
        ),
        refused("bank 0", framed(&put(&one, 20, &[0, 0])), "malformed"),
        refused(
            "a signature of 63 bytes",
            framed(&confirm[..confirm.len() - 1]),
            "malformed"
        ),
    ])
}

#[test]
fn every_message() {
    let found = json!({ "messages": messages(), "streams": streams(), "bad": bad() });
    frozen::check("frames", &found);
}
