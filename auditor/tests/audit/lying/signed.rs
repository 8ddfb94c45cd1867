//! Certificates, masked updates, sums and checkpoints.

use veilsum_auditor::verify::report::Check;
use veilsum_auditor::verify::{HeldCheckpoint, verify_against};
use veilsum_protocol::crypto::signing::Signature;
use veilsum_protocol::ids::{BankIndex, Digest, Round, Timestamp};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::{Cosignature, VerifiedCheckpoint, Witnesses};
use veilsum_protocol::wire::canonical::Canonical;

use super::{OLDER, ROUND, audit, found, must_be_found, places, told};
use crate::fifty::{ROUNDS, Story, fifty};
use crate::rounds::End;
use crate::world::{World, bank, witness_key};

type Signatures = Vec<(BankIndex, Signature)>;
type Forgery<'a> = (&'a str, &'a dyn Fn(&mut Signatures));

fn certificate(world: &mut World, change: impl Fn(&mut Signatures)) {
    let at = places(world, ROUND, "Certificate")[0];
    let Ok(Entry::Certificate {
        round,
        mut signatures,
    }) = Entry::from_bytes(&world.entries[at])
    else {
        panic!("no certificate");
    };
    assert_eq!(signatures.len(), 4);
    change(&mut signatures);
    world.entries[at] = Entry::Certificate { round, signatures }.to_bytes();
}

/// Three banks signed, one fewer than it takes.
#[test]
fn a_certificate_that_one_bank_too_few_has_signed_is_found() {
    let honest = fifty();
    let older = {
        let at = places(&honest, OLDER, "Certificate")[0];
        match Entry::from_bytes(&honest.entries[at]).unwrap() {
            Entry::Certificate { signatures, .. } => signatures[0].1,
            _ => panic!("no certificate"),
        }
    };
    let by_the_coordinator = honest.consortium.log_key.sign_bytes(b"survivors");
    let forgeries: [Forgery<'_>; 5] = [
        ("three", &|signatures| signatures.truncate(3)),
        ("the coordinator's", &|signatures| {
            signatures[0].1 = by_the_coordinator
        }),
        ("an older round's", &|signatures| signatures[0].1 = older),
        ("another bank's", &|signatures| signatures[0].1 = signatures[1].1),
        ("no survivor's", &|signatures| {
            let last = signatures[3].1;
            signatures.remove(0);
            signatures.insert(1, (bank(3), last));
        }),
    ];
    for (what, change) in forgeries {
        let mut world = honest.clone();
        certificate(&mut world, change);
        must_be_found(what, &audit(&world), Check::Certificate, Some(ROUND));
        assert_eq!(audit(&world).failed(), [Check::Certificate], "{what}");
    }
}

/// The sum stays what it was, and the list of survivors follows the swap; only what the banks signed does not.
#[test]
fn masked_updates_of_two_banks_that_are_swapped_are_found() {
    for with_signatures in [false, true] {
        let mut world = fifty();
        let places = places(&world, ROUND, "Masked");
        let update =
            |world: &World, which: usize| match Entry::from_bytes(&world.entries[places[which]]).unwrap() {
                Entry::Masked {
                    bank,
                    hash,
                    length,
                    signature,
                    ..
                } => (bank, hash, length, signature),
                _ => panic!("no update"),
            };
        let (one, two) = (update(&world, 0), update(&world, 1));
        let round = Round(ROUND);
        for (at, own, other) in [(places[0], one, two), (places[1], two, one)] {
            let signature = if with_signatures { other.3 } else { own.3 };
            let (bank, hash, length) = (own.0, other.1, other.2);
            world.entries[at] = Entry::Masked {
                round,
                bank,
                hash,
                length,
                signature,
            }
            .to_bytes();
        }
        world.change(|entry| match entry {
            Entry::Survivors { list, .. } if list.iter().any(|(_, hash)| *hash == one.1) => {
                let hashes: (Digest, Digest) = (list[0].1, list[1].1);
                (list[0].1, list[1].1) = (hashes.1, hashes.0);
                true
            }
            _ => false,
        });
        let report = world.audit();
        assert_eq!(
            report.failed(),
            [Check::MaskedSignature, Check::Certificate],
            "{}",
            told(&report)
        );
        must_be_found("swapped", &report, Check::MaskedSignature, Some(ROUND));
    }
}

/// All banks derive from the altered sum, and all later rounds start from what it gave: the log is as good as any.
#[test]
fn one_coordinate_of_one_sum_that_is_off_by_one_is_found() {
    for altered in [1, ROUND, ROUNDS] {
        let mut story = Story::new();
        for round in 1..=ROUNDS {
            let end = (round == altered).then_some(End::PublishedWithOneMore);
            story.play_to(round, end);
        }
        assert!(audit(&story.world).holds());
        let report = story.world.audit();
        assert_eq!(report.failed(), [Check::MaskedSum], "{}", told(&report));
        assert!(found(&report, Check::MaskedSum, Some(altered)));
        assert_eq!(report.replayed, Some(report.rounds - 1));
    }
}

#[test]
fn two_checkpoints_of_one_size_are_found_and_prove_it() {
    let mut world = fifty();
    world.files.clear();
    let mut other = world.clone();
    let acks = places(&world, ROUNDS, "Ack");
    other.entries.swap(acks[0], acks[1]);
    let shown = other.head();
    world.known.held.push(HeldCheckpoint {
        name: "bank-2".to_owned(),
        note: shown.note().as_str().as_bytes().to_vec(),
    });
    // Each is a good log.
    assert!(audit(&other).holds());
    world.on_disk(|_, mut audit| {
        audit.archive = None;
        let audited = verify_against(&audit, &world.known, |_| ()).unwrap();
        assert_eq!(audited.report.failed(), [Check::HeldCheckpoints]);
        let [contradiction] = audited.contradictions.as_slice() else {
            panic!("{:?}", audited.contradictions);
        };
        let [one, two] = &contradiction.notes;
        let (one, two) = (one.checkpoint(), two.checkpoint());
        assert_eq!(one.size, two.size);
        assert_ne!(one.root, two.root);
    });
}

#[test]
fn a_checkpoint_that_too_few_have_cosigned_is_found() {
    type Lines = Vec<(BankIndex, Cosignature)>;
    let mut world = fifty();
    world.files.clear();
    let signed = world.signed_head();
    let text = signed.note().text();
    let by =
        |key: u16, text: &str| Cosignature::sign(&witness_key(bank(key)), text, Timestamp(1_700_000_000));
    let three: Lines = [1, 2, 3]
        .map(|position| (bank(position), by(position, text)))
        .to_vec();
    let and = |more: (u16, Cosignature)| [three.clone(), vec![(bank(more.0), more.1)]].concat();
    let mut late = by(4, text);
    late.time = Timestamp(late.time.0 + 1);
    let cases: [(&str, Lines); 6] = [
        ("one too few", three.clone()),
        ("one of them twice", and((3, by(3, text)))),
        ("with another bank's key", and((4, by(5, text)))),
        ("of another head", and((4, by(4, "example.org/loans\n7\n")))),
        ("with another time", and((4, late))),
        (
            "by the log",
            and((
                4,
                Cosignature::sign(&world.consortium.log_key, text, Timestamp(1)),
            )),
        ),
    ];
    let with =
        |lines: &Lines| -> VerifiedCheckpoint { Witnesses::of(&world.consortium.roster).add(&signed, lines) };
    world.on_disk(|folder, mut audit| {
        audit.archive = None;
        let failed = |lines: &Lines| {
            std::fs::write(folder.join("log/checkpoint"), with(lines).note().as_str()).unwrap();
            verify_against(&audit, &world.known, |_| ())
                .unwrap()
                .report
                .failed()
        };
        assert_eq!(failed(&and((4, by(4, text)))), []);
        for (what, lines) in &cases {
            assert_eq!(failed(lines), [Check::Witnesses], "{what}");
        }
    });
}
