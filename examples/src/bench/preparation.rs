//! What preparing a round costs on the wire. It is done ahead of the round, and the sizes follow from the number of banks alone.

use veilsum_protocol::crypto::aead;
use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round};
use veilsum_protocol::round::prepare::delivery;
use veilsum_protocol::wire::frame::{FrameError, encode_frame};
use veilsum_protocol::wire::message::{Bundle, MESSAGE_LIMIT, Parcel, ToBank, ToCoordinator};
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::BundleHeader;

/// Bytes of one bank's messages for one round, as frames: its bundle, and what it is asked and gets of the others; on the average over
/// the banks, whose paths in the tree of parcels are not all equally long.
pub(super) fn preparation(banks: u16) -> Result<(f64, f64), FrameError> {
    let all: Vec<BankIndex> = (1..=banks).filter_map(BankIndex::new).collect();
    let (Some(first), Some(last)) = (all.first(), all.last()) else {
        return Ok((0.0, 0.0));
    };
    let (of_first, of_last) = (bundle(banks, *first), bundle(banks, *last));
    let mut down = 0;
    for receiver in &all {
        // Only the receiver's place in the tree decides how long a path is.
        let other = if receiver == first { &of_last } else { &of_first };
        let one = delivery(other, *receiver);
        let deliveries = one
            .iter()
            .cycle()
            .take(usize::from(banks.saturating_sub(1)))
            .cloned();
        down += frame(&ToBank::Deliveries {
            round: Round(1),
            deliveries: deliveries.collect(),
        })?;
        down += frame(&ToBank::PrepareAsk {
            epoch: Epoch(1),
            round: Round(1),
        })?;
    }
    let up = frame(&ToCoordinator::Bundle(Box::new(of_first)))?;
    Ok((up as f64, down as f64 / f64::from(banks)))
}

fn frame<T: serde::Serialize>(message: &T) -> Result<usize, FrameError> {
    Ok(encode_frame(message, MESSAGE_LIMIT)?.len())
}

/// A bundle of `from` whose parts are as long as real ones are, and hold nothing.
fn bundle(banks: u16, from: BankIndex) -> Bundle {
    let nothing = Digest([0; 32]);
    let key = SigningKey::generate(&mut SeededEntropy::new(1));
    let header = BundleHeader {
        epoch: Epoch(1),
        round: Round(1),
        bank: from,
        parcels: nothing,
        recovery_blob: nothing,
        self_mask: nothing,
        recovery: nothing,
    };
    let parcel = |to: u16| Parcel {
        sealed: if to == from.get() {
            Vec::new()
        } else {
            vec![0; 64 + aead::OVERHEAD]
        },
        pair_base: nothing,
        self_mask_share: nothing,
        recovery_share: nothing,
    };
    Bundle {
        header: Signed::sign(&key, header),
        parcels: (1..=banks).map(parcel).collect(),
        recovery_blob: vec![0; 32 * usize::from(banks.saturating_sub(1)) + aead::OVERHEAD],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;
    use std::rc::Rc;

    use veilsum_tests::stage::node::Step;
    use veilsum_tests::stage::world::World;

    use super::*;

    #[test]
    fn it_is_what_a_real_round_sends() {
        let mut world = World::new(5, 1);
        // One round alone, and not the next, too.
        world.office.asks_ahead = false;
        world.sizes.clear();
        let down = Rc::new(Cell::new(0));
        let seen = Rc::clone(&down);
        world.tamper_down = Some(Box::new(move |_, message| {
            if let ToBank::Deliveries { .. } | ToBank::PrepareAsk { .. } = message {
                seen.set(seen.get() + frame(message).unwrap());
            }
        }));
        assert!(world.round().end.is_ok());
        let (up, each) = preparation(5).unwrap();
        for (bank, sent) in &world.sizes {
            let bundle = sent.iter().find(|(step, _)| *step == Step::Bundle).unwrap();
            // The simulation counts bodies, without the length before them.
            assert_eq!(up, (bundle.1 + 4) as f64, "bank {bank}");
        }
        assert!((each * 5.0 - f64::from(u32::try_from(down.get()).unwrap())).abs() < 1e-6);
    }
}
