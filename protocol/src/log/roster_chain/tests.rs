#![allow(clippy::unwrap_used, clippy::type_complexity)]
use super::*;
use crate::crypto::entropy::SeededEntropy;
use crate::crypto::signing::SigningKey;

fn key(number: u16) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(number.into()))
}

fn bank(position: u16) -> BankIndex {
    BankIndex::new(position).unwrap()
}

fn roster(members: &[u16]) -> Roster {
    let entry = |(position, member): (u16, &u16)| RosterEntry {
        index: bank(position),
        name: format!("bank-{member}"),
        signing_key: key(*member).verifying_key().0,
        witness_key: Digest::of(&[1, *member as u8]).0,
        tls_key: Digest::of(&[2, *member as u8]),
    };
    Roster::new("demo", (1..).zip(members).map(entry).collect()).unwrap()
}

fn chain(members: &[u16]) -> RosterChain {
    let mut chain = RosterChain::default();
    assert_eq!(chain.read(&Entry::from(&roster(members))), Step::First);
    chain
}

fn propose(chain: &mut RosterChain, members: &[u16]) -> Digest {
    let entry = Entry::RosterProposal {
        sequence: chain.next_sequence(),
        previous: chain.in_force().unwrap().hash(),
        banks: roster(members).banks().to_vec(),
    };
    assert_eq!(chain.read(&entry), Step::Proposed);
    entry.hash()
}

fn approval(proposal: Digest, position: u16, member: u16) -> Entry {
    let statement = RosterApproval {
        proposal,
        bank: bank(position),
    };
    Entry::RosterApproval {
        proposal,
        bank: statement.bank,
        signature: key(member).sign(&statement),
    }
}

#[test]
fn a_change_takes_every_bank_that_stays_and_a_threshold_of_all() {
    // Members now, members then, banks that must approve, further approvals of banks that leave.
    let cases: [(&[u16], &[u16], &[u16], usize); 5] = [
        (&[1, 2, 3], &[1, 2, 3, 4], &[1, 2, 3], 0),
        (&[1, 2, 3, 4], &[2, 3, 4], &[2, 3, 4], 0),
        (&[1, 2, 3], &[2, 3, 4], &[2, 3], 0),
        (&[1, 2, 3, 4, 5], &[1, 2, 3], &[1, 2, 3], 1),
        (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], &[1, 11, 12], &[1], 6),
    ];
    for (now, then, stay, leavers) in cases {
        let mut chain = chain(now);
        let proposal = propose(&mut chain, then);
        let expected: Vec<BankIndex> = stay.iter().map(|position| bank(*position)).collect();
        assert_eq!(
            (chain.missing(), chain.missing_of_leavers()),
            (expected, leavers),
            "{then:?}"
        );
        for position in stay {
            assert!(!chain.is_approved(), "{then:?}");
            let entry = approval(proposal, *position, *position);
            assert_eq!(chain.read(&entry), Step::Approved(bank(*position)));
            assert_eq!(chain.read(&entry), Step::None, "a second time it changes nothing");
        }
        let gone = now.iter().filter(|member| !stay.contains(member));
        for position in gone.take(leavers) {
            assert!(!chain.is_approved(), "{then:?}");
            chain.read(&approval(proposal, *position, *position));
        }
        assert!(chain.is_approved(), "{then:?}");
        let before = chain.in_force().unwrap().clone();
        assert_eq!(
            chain.read(&Entry::from(&roster(then))),
            Step::Changed(Box::new(before))
        );
        assert_eq!(chain.in_force(), Some(&roster(then)));
        assert!(chain.proposal().is_none());
    }
}

#[test]
fn what_may_not_be_proposed_is_told() {
    let now = chain(&[1, 2, 3, 4]);
    let hash = now.in_force().unwrap().hash();
    let refused = |sequence, previous, change: &dyn Fn(&mut Vec<RosterEntry>)| {
        let mut banks = roster(&[1, 2, 3, 4, 5]).banks().to_vec();
        change(&mut banks);
        now.check(sequence, previous, &banks).unwrap_err()
    };
    let same = |_: &mut Vec<RosterEntry>| {};
    assert!(now.check(1, hash, roster(&[1, 2, 3, 4, 5]).banks()).is_ok());
    assert!(refused(0, hash, &same).contains("expected 1"));
    assert!(refused(2, hash, &same).contains("expected 1"));
    assert!(refused(1, Digest([9; 32]), &same).contains("in force is"));
    assert!(refused(1, hash, &|banks| drop(banks.pop())).contains("the roster in force"));
    assert!(refused(1, hash, &|banks| banks.truncate(2)).contains("2 banks"));
    assert!(refused(1, hash, &|banks| banks.swap(0, 1)).contains("positions run"));
    // A name keeps its keys, and a key its name.
    for change in [
        (|bank| bank.name = "other".to_owned()) as fn(&mut RosterEntry),
        |bank| bank.signing_key = [7; 32],
        |bank| bank.witness_key = [7; 32],
        |bank| bank.tls_key = Digest([7; 32]),
    ] {
        assert!(refused(1, hash, &|banks| change(&mut banks[1])).contains("keeps its name and its keys"));
    }
    let mut first = RosterChain::default();
    let entry = Entry::RosterProposal {
        sequence: 1,
        previous: hash,
        banks: roster(&[1, 2, 3]).banks().to_vec(),
    };
    assert!(matches!(first.read(&entry), Step::Refused(_)));
}

#[test]
fn an_approval_counts_for_its_own_proposal_and_bank() {
    let mut chain = chain(&[1, 2, 3, 4]);
    let first = propose(&mut chain, &[1, 2, 3, 4, 5]);
    for entry in [
        approval(first, 1, 2),
        approval(first, 5, 5),
        approval(Digest([3; 32]), 1, 1),
        Entry::RosterWithdrawal {
            proposal: Digest([3; 32]),
        },
    ] {
        assert!(matches!(chain.read(&entry), Step::Refused(_)), "{entry:?}");
    }
    for position in 1..=4 {
        chain.read(&approval(first, position, position));
    }
    assert!(chain.is_approved());
    let second = propose(&mut chain, &[1, 2, 3, 4, 6]);
    assert_ne!(first, second);
    assert!(!chain.is_approved());
    assert!(matches!(chain.read(&approval(first, 1, 1)), Step::Refused(_)));
    let unapproved = chain.clone().read(&Entry::from(&roster(&[1, 2, 3, 4, 5])));
    assert!(matches!(unapproved, Step::Unapproved(_, why) if why.contains("not the one that is proposed")));
    let unapproved = chain.clone().read(&Entry::from(&roster(&[1, 2, 3, 4, 6])));
    assert!(matches!(unapproved, Step::Unapproved(_, why) if why.contains("bank 1, 2, 3, 4")));
    assert_eq!(
        chain.read(&Entry::RosterWithdrawal { proposal: second }),
        Step::Withdrawn(second)
    );
    assert!(chain.proposal().is_none() && !chain.is_approved());
}

#[test]
fn it_is_remembered_as_bytes() {
    let mut chain = chain(&[1, 2, 3, 4]);
    let proposal = propose(&mut chain, &[2, 3, 4, 5]);
    chain.read(&approval(proposal, 3, 3));
    let mut w = Writer::domain("chain");
    chain.write(&mut w);
    let bytes = w.finish();
    let mut r = Reader::domain(&bytes, "chain").unwrap();
    assert_eq!(
        RosterChain::read_from(&mut r, chain.in_force().cloned()).unwrap(),
        chain
    );
}
