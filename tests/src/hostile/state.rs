//! What a bank keeps of itself on its disk.

use veilsum_protocol::crypto::agreement::AgreementKeys;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::round::participant::Participant;
use veilsum_protocol::wire::canonical::Writer;

use super::played::BANKS;
use super::{Decoder, Outcome, decoder};
use crate::stage::consortium::{bank, pinned};

pub(super) const DECODERS: &[Decoder] = &[
    decoder("snapshot of a bank", snapshot).mended(with_checksum),
    decoder("agreement keys", agreement_keys),
];

/// A snapshot under another roster is the machine's of that time without what the new roster ends: what is written then is read the same.
fn snapshot(bytes: &[u8]) -> Outcome {
    let Some(written) = restored(bytes) else {
        return Outcome::Refused;
    };
    if roster_in(bytes) != roster_in(&written) && restored(&written).as_ref() == Some(&written) {
        return Outcome::Read;
    }
    Outcome::of(bytes, Some(written))
}

fn restored(bytes: &[u8]) -> Option<Vec<u8>> {
    let members: Vec<u16> = (1..=BANKS).collect();
    let machine = Participant::restore(pinned(bank(1), &members), bytes).ok()?;
    Some(machine.snapshot().to_vec())
}

/// It stands behind the domain and the bank's key.
fn roster_in(bytes: &[u8]) -> Option<&[u8]> {
    let head = Writer::domain("participant-snapshot").finish().len();
    bytes.get(head + 32..)?.get(..32)
}

fn with_checksum(bytes: &[u8]) -> Option<Vec<u8>> {
    let (body, _) = bytes.split_last_chunk::<32>()?;
    Some([body, &Digest::of(body).0].concat())
}

fn agreement_keys(bytes: &[u8]) -> Outcome {
    Outcome::of(
        bytes,
        AgreementKeys::import(bytes).map(|keys| keys.export().to_vec()),
    )
}
