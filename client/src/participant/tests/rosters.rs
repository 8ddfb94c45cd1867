//! How the daemon takes up the operator's word on a proposed roster, and puts an approved one into the bank's files.

use std::path::Path;
use std::time::{Duration, Instant};

use veilsum_protocol::consortium::{Consortium, ConsortiumBank};
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::wire::canonical::Canonical as _;
use veilsum_protocol::wire::message::ToCoordinator;
use veilsum_protocol::wire::statement::RosterApproval;

use super::scene::{Running, Scene};
use crate::participant::{Decision, Proposed, RosterFiles};

fn write(path: &Path, scene: &Scene) {
    let consortium = Consortium {
        version: 1,
        name: "demo".to_owned(),
        address: "localhost:7443".to_owned(),
        server_name: "localhost".to_owned(),
        log_key: scene.log.verifier(),
        ca_pem: "PEM\n".to_owned(),
        banks: scene.roster.banks().iter().map(ConsortiumBank::from).collect(),
    };
    std::fs::write(path, consortium.to_toml().unwrap()).unwrap();
}

fn named(path: &Path) -> Roster {
    let text = std::fs::read_to_string(path).unwrap();
    Consortium::from_toml(&text).unwrap().1
}

/// A daemon that was told of a fourth bank, and the proposal as its operator sees it.
async fn proposed(scene: &mut Scene, file: &Path) -> (Running, RosterFiles, Proposed) {
    write(file, scene);
    let mut daemon = scene.start();
    daemon.up().await;
    let before = scene.roster.clone();
    scene.add_bank();
    scene.log.push(&Entry::RosterProposal {
        sequence: 1,
        previous: before.hash(),
        banks: scene.roster.banks().to_vec(),
    });
    daemon.follow(&scene.log, 0).await;
    let files = RosterFiles::open(RosterFiles::folder_in(&scene.folder.path().join("state"))).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    let seen = loop {
        match files.proposed().unwrap() {
            Some(seen) => break seen,
            None => assert!(Instant::now() < deadline, "the proposal is not laid out"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!((&seen.before, &seen.after), (&before, &scene.roster));
    (daemon, files, seen)
}

#[tokio::test]
async fn an_approved_roster_is_in_the_bank_s_file_before_the_bank_says_so() {
    let mut scene = Scene::new();
    let file = scene.folder.path().join("consortium.toml");
    let (mut daemon, files, seen) = proposed(&mut scene, &file).await;
    assert!(daemon.said("a change of the roster is proposed: bank-4 joins, nobody leaves"));
    daemon.is_quiet().await;

    files.decide(&seen.hash, Decision::Approved).unwrap();
    match daemon.sent().await {
        ToCoordinator::RosterApproval(approval) => assert_eq!(approval.claim().proposal, seen.hash),
        other => panic!("{other:?}"),
    }
    let from = 2;
    for position in 1..=3 {
        let statement = RosterApproval {
            proposal: seen.hash,
            bank: BankIndex::new(position).unwrap(),
        };
        let mut signed = scene.signatures(&statement).into_iter();
        let (_, signature) = signed.nth(usize::from(position) - 1).unwrap();
        scene.log.push(&Entry::RosterApproval {
            proposal: statement.proposal,
            bank: statement.bank,
            signature,
        });
    }
    assert_eq!(named(&file), seen.before);
    let roster = Entry::from(&scene.roster);
    scene.log.push(&roster);
    daemon.follow(&scene.log, from).await;
    match daemon.sent().await {
        ToCoordinator::RosterPinned { roster: pinned } => assert_eq!(pinned, roster.hash()),
        other => panic!("{other:?}"),
    }
    assert_eq!(named(&file), seen.after);
    daemon.is_quiet().await;
    assert!(daemon.said("the approved roster of 4 banks is in force"));
    assert_eq!(files.proposed().unwrap(), None);
    daemon.crash().await;

    // The crash came when the record was made and the file not: the record counts, and the file is mended.
    let before = scene.folder.path().join("consortium.toml.before");
    assert_eq!(named(&before), seen.before);
    std::fs::copy(&before, &file).unwrap();
    scene.roster = seen.before.clone();
    let mut daemon = scene.start();
    daemon.up().await;
    assert!(
        matches!(daemon.sent().await, ToCoordinator::RosterPinned { roster: pinned } if pinned == roster.hash())
    );
    assert_eq!(named(&file), seen.after);
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_told_once_a_connection_and_binds_nobody() {
    let mut scene = Scene::new();
    let file = scene.folder.path().join("consortium.toml");
    let (mut daemon, files, seen) = proposed(&mut scene, &file).await;
    files.decide(&seen.hash, Decision::Refused).unwrap();
    let refusal = ToCoordinator::RosterRefusal { proposal: seen.hash };
    assert_eq!(daemon.sent().await, refusal);
    daemon.down().await;
    daemon.up().await;
    assert_eq!(daemon.sent().await, refusal);
    // The operator has thought again.
    files.decide(&seen.hash, Decision::Approved).unwrap();
    assert!(matches!(daemon.sent().await, ToCoordinator::RosterApproval(_)));
    assert_eq!(named(&file), seen.before);
    daemon.stop().await.unwrap();
}
