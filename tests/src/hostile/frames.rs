//! What travels in frames, and the coordinator's journal, which is kept in the same form.

use serde::Serialize;
use serde::de::DeserializeOwned;
use veilsum_protocol::enrolment::{
    ANSWER_LIMIT, ASK_LIMIT, Answer, Ask, GREETING_LIMIT, Greeting, RENEWAL_LIMIT, Renewal,
};
use veilsum_protocol::ids::Millis;
use veilsum_protocol::round::coordinator::CoordinatorRound;
use veilsum_protocol::round::record::{Record, RoundPlan};
use veilsum_protocol::wire::frame::{self, HEADER};
use veilsum_protocol::wire::message::{MESSAGE_LIMIT, ToBank, ToCoordinator};
use veilsum_protocol::wire::stream::{
    CloseCode, ControlReply, FetchReply, STREAM_FRAME_LIMIT, StreamOpen, UploadReply,
};

use super::played::BANKS;
use super::{Decoder, Outcome, decoder};
use crate::stage::consortium::{bank, roster};

pub(super) const DECODERS: &[Decoder] = &[
    decoder("frame", whole),
    decoder("ToCoordinator", body::<ToCoordinator, MESSAGE_LIMIT>),
    decoder("ToBank", body::<ToBank, MESSAGE_LIMIT>),
    decoder("StreamOpen", body::<StreamOpen, STREAM_FRAME_LIMIT>),
    decoder("ControlReply", body::<ControlReply, STREAM_FRAME_LIMIT>),
    decoder("UploadReply", body::<UploadReply, STREAM_FRAME_LIMIT>),
    decoder("FetchReply", body::<FetchReply, STREAM_FRAME_LIMIT>),
    decoder("close code", close_code),
    decoder("Greeting", body::<Greeting, GREETING_LIMIT>),
    decoder("Ask", body::<Ask, ASK_LIMIT>),
    decoder("Renewal", body::<Renewal, RENEWAL_LIMIT>),
    decoder("Answer", body::<Answer, ANSWER_LIMIT>),
    decoder("Record", body::<Record, MESSAGE_LIMIT>),
    decoder("RoundPlan", body::<RoundPlan, MESSAGE_LIMIT>),
    decoder("journal", journal),
];

fn whole(bytes: &[u8]) -> Outcome {
    let read = || {
        let (header, body) = bytes.split_first_chunk::<HEADER>()?;
        let length = frame::body_length(*header, STREAM_FRAME_LIMIT).ok()?;
        (length == body.len()).then_some(body)
    };
    Outcome::of(
        bytes,
        read().map(|body| frame::frame_bytes(body, STREAM_FRAME_LIMIT).unwrap()),
    )
}

pub(super) fn body<T: Serialize + DeserializeOwned, const LIMIT: usize>(bytes: &[u8]) -> Outcome {
    let read = frame::decode::<T>(bytes, LIMIT).ok();
    Outcome::of(bytes, read.map(|value| frame::encode(&value, LIMIT).unwrap()))
}

fn close_code(bytes: &[u8]) -> Outcome {
    let number = |bytes: &[u8]| Some(u64::from_be_bytes(bytes.try_into().ok()?));
    let code = number(bytes).and_then(CloseCode::from_number);
    Outcome::of(
        bytes,
        code.map(|code| u64::from(code.number()).to_be_bytes().to_vec()),
    )
}

/// Records as frames, one behind the other: whatever they say, the machine is built from them and tells where it stands.
fn journal(bytes: &[u8]) -> Outcome {
    let Some(records) = records(bytes) else {
        return Outcome::Refused;
    };
    let written = records
        .iter()
        .flat_map(|record| frame::encode_frame(record, MESSAGE_LIMIT).unwrap())
        .collect();
    let Some(machine) = CoordinatorRound::restore(roster(BANKS), records, Millis(1)) else {
        return Outcome::Refused;
    };
    machine.waiting_for();
    machine.heard_from();
    machine.survivors();
    machine.released_for();
    machine.next_deadline();
    machine.is_filling_clean(bytes.last().copied().unwrap_or_default());
    for position in 1..=BANKS + 1 {
        drop(machine.expected_upload(bank(position)));
    }
    Outcome::of(bytes, Some(written))
}

fn records(mut bytes: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let length = frame::body_length(*header, MESSAGE_LIMIT).ok()?;
        let (body, rest) = rest.split_at_checked(length)?;
        records.push(frame::decode(body, MESSAGE_LIMIT).ok()?);
        bytes = rest;
    }
    bytes.is_empty().then_some(records)
}
