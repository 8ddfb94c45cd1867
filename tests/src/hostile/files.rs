//! Files that people write and send each other.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::enrolment::{EnrolmentRequest, Invitation, Request};
use veilsum_protocol::ids::Digest;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::task::{Schema, Task};

use super::{Decoder, Outcome, decoder, text};

/// TOML is read into tokens, a tree and then values, and an error shows the line. A text of nothing but tables costs 170 times its size.
const GROWTH: usize = 256;
const BESIDE: usize = 64 << 10;

pub(super) const DECODERS: &[Decoder] = &[
    decoder("task", task).costs(GROWTH, BESIDE),
    decoder("schema", schema).costs(GROWTH, BESIDE),
    decoder("consortium file", consortium_file).costs(GROWTH, BESIDE),
    decoder("enrolment request", enrolment_request).costs(GROWTH, BESIDE),
    decoder("request of a bank or an auditor", request).costs(GROWTH, BESIDE),
    decoder("signing key", signing_key),
    decoder("invitation", invitation).mended(right_checksum),
];

fn task(bytes: &[u8]) -> Outcome {
    let outcome = text(bytes, |text| Task::parse(text).ok(), Task::canonical_text);
    if outcome == Outcome::Read {
        let task = Task::parse(std::str::from_utf8(bytes).unwrap()).unwrap();
        task.describe();
        let plan = Plan::new(&task);
        for kind in [RoundKind::Statistics, RoundKind::Train, RoundKind::Evaluate] {
            plan.layout(kind).lanes();
        }
    }
    outcome
}

fn schema(bytes: &[u8]) -> Outcome {
    text(bytes, |text| Schema::parse(text).ok(), Schema::canonical_text)
}

fn consortium_file(bytes: &[u8]) -> Outcome {
    let read = |text: &str| Some(Consortium::from_toml(text).ok()?.0);
    text(bytes, read, |file| file.to_toml().unwrap())
}

fn enrolment_request(bytes: &[u8]) -> Outcome {
    let read = |text: &str| EnrolmentRequest::from_toml(text).ok();
    if let Some(request) = std::str::from_utf8(bytes).ok().and_then(read) {
        drop(request.verify_proof(request.csr.as_bytes()));
    }
    text(bytes, read, |request| toml::to_string(request).unwrap())
}

fn request(bytes: &[u8]) -> Outcome {
    let read = |text: &str| Request::from_toml(text).ok();
    text(bytes, read, |request| {
        match request {
            Request::Bank(bank) => toml::to_string(bank),
            Request::Reader(reader) => toml::to_string(reader),
        }
        .unwrap()
    })
}

fn invitation(bytes: &[u8]) -> Outcome {
    text(
        bytes,
        |text| Invitation::from_text(text).ok(),
        |it| it.to_text().to_string(),
    )
}

/// Puts the checksum right, as whoever forges an invitation can.
fn right_checksum(bytes: &[u8]) -> Option<Vec<u8>> {
    let body = std::str::from_utf8(bytes).ok()?.strip_prefix("veilsum1_")?;
    let whole = URL_SAFE_NO_PAD.decode(body).ok()?;
    let (content, _) = whole.split_last_chunk::<4>()?;
    let check = Digest::of(content);
    let mended = [content, &check.0[..4]].concat();
    Some(format!("veilsum1_{}", URL_SAFE_NO_PAD.encode(mended)).into_bytes())
}

/// A key is never written; what it signs verifies.
fn signing_key(bytes: &[u8]) -> Outcome {
    match SigningKey::from_pkcs8(bytes) {
        Err(_) => Outcome::Refused,
        Ok(key) => {
            let signature = key.sign_bytes(b"text");
            assert!(key.verifying_key().verifies_bytes(b"text", &signature));
            Outcome::Read
        }
    }
}
