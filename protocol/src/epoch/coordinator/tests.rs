#![allow(clippy::unwrap_used)]
use super::*;
use crate::crypto::agreement::AgreementKeys;
use crate::crypto::entropy::SeededEntropy;
use crate::crypto::signing::SigningKey;
use crate::roster::RosterEntry;

fn bank(position: u16) -> BankIndex {
    BankIndex::new(position).unwrap()
}

fn signing_key(position: u16) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(u64::from(position)))
}

const BANKS: u16 = 4;

fn coordinator() -> EpochCoordinator {
    let entry = |position: u16| RosterEntry {
        index: bank(position),
        name: format!("bank-{position}"),
        signing_key: signing_key(position).verifying_key().0,
        witness_key: [position as u8 + 200; 32],
        tls_key: Digest::of(&position.to_be_bytes()),
    };
    let roster = Roster::new("demo", (1..=BANKS).map(entry).collect()).unwrap();
    EpochCoordinator::new(roster, Epoch(3), Round(9))
}

fn body(coordinator: &EpochCoordinator, position: u16, seed: u64) -> EpochKeys {
    EpochKeys {
        epoch: Epoch(3),
        roster: coordinator.roster_hash,
        bank: bank(position),
        public: AgreementKeys::generate(&mut SeededEntropy::new(seed)).public(),
    }
}

fn give(
    coordinator: &mut EpochCoordinator,
    position: u16,
    keys: EpochKeys,
) -> Result<Vec<EpochAction>, Check> {
    let message = ToCoordinator::EpochKeys(Signed::sign(&signing_key(position), keys));
    coordinator
        .handle(bank(position), message)
        .map_err(|rejection| rejection.check)
}

/// Every bank's keys are there and the directory is out.
fn with_directory() -> EpochCoordinator {
    let mut coordinator = coordinator();
    for position in 1..=BANKS {
        let keys = body(&coordinator, position, u64::from(position));
        give(&mut coordinator, position, keys).unwrap();
    }
    assert!(coordinator.directory.is_some());
    coordinator
}

fn positions(banks: &[BankIndex]) -> Vec<u16> {
    banks.iter().map(|bank| bank.get()).collect()
}

#[test]
fn c_104_a_key_that_another_bank_has_does_not_come_into_the_log() {
    let mut coordinator = coordinator();
    let first = body(&coordinator, 1, 1);
    give(&mut coordinator, 1, first.clone()).unwrap();
    let mut same_x25519 = body(&coordinator, 2, 2);
    same_x25519.public.x25519 = first.public.x25519;
    let mut same_mlkem = body(&coordinator, 2, 2);
    same_mlkem.public.mlkem.clone_from(&first.public.mlkem);
    let mut malformed = body(&coordinator, 2, 2);
    malformed.public.mlkem.truncate(9);
    for bad in [same_x25519, same_mlkem, malformed] {
        assert_eq!(give(&mut coordinator, 2, bad).unwrap_err(), Check::PeerKeys);
    }
    for position in 3..=BANKS {
        let keys = body(&coordinator, position, u64::from(position));
        assert!(give(&mut coordinator, position, keys).unwrap().is_empty());
    }
    assert_eq!(
        positions(&coordinator.waiting_for()),
        [2],
        "the operator sees who"
    );
    let good = body(&coordinator, 2, 2);
    let actions = give(&mut coordinator, 2, good).unwrap();
    assert!(matches!(
        actions.first(),
        Some(EpochAction::Log(Entry::KeyDirectory { .. }))
    ));
    let sent: Vec<&KeyDirectory> = actions
        .iter()
        .filter_map(|action| match action {
            EpochAction::Send(_, ToBank::Directory(directory)) => Some(directory.as_ref()),
            _ => None,
        })
        .collect();
    assert_eq!(sent.len(), usize::from(BANKS));
    for directory in sent {
        assert_eq!(
            directory.verify(&coordinator.roster, &coordinator.roster_hash),
            Ok(())
        );
    }
}

#[test]
fn keys_may_be_made_anew_until_the_directory_is_out_and_c_103_after_it() {
    let mut coordinator = coordinator();
    for seed in [1, 11] {
        let keys = body(&coordinator, 1, seed);
        give(&mut coordinator, 1, keys).unwrap();
    }
    for position in 2..=BANKS {
        let keys = body(&coordinator, position, u64::from(position));
        give(&mut coordinator, position, keys).unwrap();
    }
    let directory = coordinator.directory.clone().unwrap();
    assert_eq!(directory.of(bank(1)), Some(&body(&coordinator, 1, 11)));
    let again = body(&coordinator, 1, 11);
    assert!(
        give(&mut coordinator, 1, again).unwrap().is_empty(),
        "a repetition"
    );
    let lost = body(&coordinator, 1, 12);
    assert_eq!(give(&mut coordinator, 1, lost).unwrap_err(), Check::OwnKeys);
    assert_eq!(coordinator.directory, Some(directory));
}

type Ciphertexts = Vec<(BankIndex, Vec<u8>)>;

/// Ciphertexts as a bank with this position makes them; their content is no matter of the coordinator.
fn ciphertexts_of(position: u16) -> Ciphertexts {
    (1..=BANKS)
        .map(bank)
        .filter(|peer| encapsulates_for(bank(position), *peer))
        .map(|peer| (peer, vec![position as u8; 1088]))
        .collect()
}

fn encapsulate(
    coordinator: &mut EpochCoordinator,
    position: u16,
    ciphertexts: Ciphertexts,
) -> Result<Vec<EpochAction>, Check> {
    let message = ToCoordinator::PairCiphertexts {
        epoch: Epoch(3),
        ciphertexts,
    };
    coordinator
        .handle(bank(position), message)
        .map_err(|rejection| rejection.check)
}

#[test]
fn c_104_and_c_705_only_one_right_ciphertext_for_each_peer_goes_on() {
    let mut coordinator = with_directory();
    let good = ciphertexts_of(1);
    assert_eq!(
        good,
        [(bank(3), vec![1; 1088])],
        "banks 2 and 4 encapsulate for it"
    );
    let to = |position| (bank(position), vec![0; 1088]);
    let cases = [
        ("none", vec![], Check::Malformed),
        ("twice", vec![to(3), to(3)], Check::Malformed),
        ("another peer", vec![to(2)], Check::Malformed),
        (
            "one that encapsulates itself",
            vec![to(3), to(4)],
            Check::Malformed,
        ),
        ("itself", vec![to(3), to(1)], Check::Malformed),
        ("nobody", vec![to(3), to(9)], Check::Malformed),
        ("long", vec![(bank(3), vec![0; 1089])], Check::PeerKeys),
        ("giant", vec![(bank(3), vec![0; 3 << 20])], Check::PeerKeys),
        ("short", vec![(bank(3), vec![0; 1087])], Check::PeerKeys),
        ("empty", vec![(bank(3), vec![])], Check::PeerKeys),
    ];
    for (what, ciphertexts, check) in cases {
        assert_eq!(
            encapsulate(&mut coordinator, 1, ciphertexts).unwrap_err(),
            check,
            "{what}"
        );
    }
    for position in [2, 3, 4] {
        assert!(
            encapsulate(&mut coordinator, position, ciphertexts_of(position))
                .unwrap()
                .is_empty()
        );
    }
    assert_eq!(positions(&coordinator.waiting_for()), [1]);
    let actions = encapsulate(&mut coordinator, 1, good).unwrap();
    let mut pairs = 0;
    for action in actions {
        let EpochAction::Send(to, ToBank::PairCiphertexts { ciphertexts, .. }) = action else {
            panic!("only ciphertexts go out");
        };
        for (from, ciphertext) in ciphertexts {
            assert!(encapsulates_for(from, to));
            assert_eq!(ciphertext, vec![from.get() as u8; 1088]);
            pairs += 1;
        }
    }
    assert_eq!(pairs, 6, "each pair of four banks once");
}

#[test]
fn c_705_only_one_confirmation_for_each_peer_goes_on() {
    let mut coordinator = with_directory();
    let confirm = |coordinator: &mut EpochCoordinator, position: u16, peers: &[u16]| {
        let message = ToCoordinator::PairConfirmations {
            epoch: Epoch(3),
            confirmations: peers.iter().map(|peer| (bank(*peer), [7; 32])).collect(),
        };
        coordinator
            .handle(bank(position), message)
            .map_err(|rejection| rejection.check)
    };
    assert!(confirm(&mut coordinator, 2, &[1, 3, 4]).unwrap().is_empty());
    for position in 1..=BANKS {
        encapsulate(&mut coordinator, position, ciphertexts_of(position)).unwrap();
    }
    assert_eq!(
        positions(&coordinator.waiting_for()),
        [1, 2, 3, 4],
        "what came early does not count"
    );
    for peers in [
        [].as_slice(),
        &[1, 3],
        &[1, 3, 3],
        &[1, 2, 3, 4],
        &[1, 3, 4, 4],
        &[1, 3, 9],
    ] {
        assert_eq!(
            confirm(&mut coordinator, 2, peers).unwrap_err(),
            Check::Malformed,
            "{peers:?}"
        );
    }
    for (position, peers) in [(1, [2, 3, 4]), (3, [1, 2, 4]), (4, [3, 2, 1])] {
        assert!(confirm(&mut coordinator, position, &peers).unwrap().is_empty());
    }
    assert_eq!(positions(&coordinator.waiting_for()), [2]);
    assert_eq!(
        confirm(&mut coordinator, 2, &[4, 1, 3]).unwrap().len(),
        usize::from(BANKS)
    );
}
