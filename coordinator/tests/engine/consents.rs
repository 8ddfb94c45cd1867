//! What the banks say of tasks: approvals, which the log keeps, and refusals, which it does not.

use tokio::sync::mpsc;
use veilsum_coordinator::engine::consents::RefusedBy;
use veilsum_coordinator::engine::driver::Input;
use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator, WIRE_VERSION};
use veilsum_protocol::wire::refusal::{Refusal, RefusalReason};
use veilsum_protocol::wire::signed::Signed;

use crate::bank::{Bank, Wire};
use crate::world::{Office, TASK, World, back, create, finished, signing_key, status, wait_for};

fn refused(status: &Status) -> Vec<(&str, RefusalReason)> {
    let task = &status.tasks[0];
    let refused = task.refused.iter();
    refused
        .map(|RefusedBy { bank, reason }| (bank.as_str(), *reason))
        .collect()
}

fn approvals(world: &World) -> usize {
    let log = world.log();
    log.iter()
        .filter(|entry| matches!(entry, Entry::TaskApproval { .. }))
        .count()
}

async fn joined(world: &World, office: &Office, banks: Vec<Bank>) -> Vec<tokio::task::JoinHandle<Bank>> {
    world.join_all(office, banks).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn banks_that_refuse_are_named_not_waited_for_and_may_think_again() {
    let world = World::new(4);
    let office = world.start();
    create(&office, TASK).await.unwrap();
    let mut banks = world.banks();
    banks[2].refuses = Some(RefusalReason::Operator);
    banks[3].refuses = Some(RefusalReason::Columns);
    let going = joined(&world, &office, banks).await;
    let stands = wait_for(&office, |status| {
        status.tasks[0].out_of_reach && status.tasks[0].approved.len() == 2 && status.epoch.is_some()
    })
    .await;
    let both = [
        ("bank-3", RefusalReason::Operator),
        ("bank-4", RefusalReason::Columns),
    ];
    assert_eq!(refused(&stands), both);
    assert_eq!(stands.tasks[0].silent, [] as [&str; 0]);
    assert_eq!(
        stands.waiting_for,
        "task small cannot begin a round: bank-3 refused it (its operator decided so), bank-4 refused it (for the columns), \
         and a round needs 3 of the 4 banks; it waits until fewer refuse it, or stop it with `veilsum-coordinator task stop small`"
    );
    assert_eq!(stands.round.map(|round| round.round), None);
    office.stop().await;
    assert_eq!(approvals(&world), 2, "a refusal is no entry of the log");

    // Nothing was durable at the coordinator, and each bank says it again.
    let mut banks = back(going).await;
    let office = world.start();
    let fresh = status(&office).await;
    assert_eq!(
        (refused(&fresh), fresh.tasks[0].out_of_reach),
        (Vec::new(), false)
    );
    assert_eq!(fresh.tasks[0].silent, ["bank-3", "bank-4"]);
    let going = joined(&world, &office, banks).await;
    wait_for(&office, |status| refused(status) == both).await;
    office.stop().await;

    // One of them approves; the other is left out of every round.
    banks = back(going).await;
    banks[2].refuses = None;
    let office = world.start();
    let going = joined(&world, &office, banks).await;
    let end = wait_for(&office, finished).await;
    assert_eq!(end.last_result.as_ref().unwrap().survivors, 3);
    assert_eq!(end.tasks[0].approved, ["bank-1", "bank-2", "bank-3"]);
    assert_eq!(refused(&end), [], "of a task that is over nothing is asked");
    office.stop().await;
    for bank in back(going).await {
        assert_eq!(bank.refused, []);
    }
    assert_eq!(approvals(&world), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_that_refuses_after_its_approval_is_left_out_of_further_rounds() {
    let world = World::new(4);
    let office = world.start();
    create(&office, &TASK.replace("rounds = 2", "rounds = 6"))
        .await
        .unwrap();
    let going = joined(&world, &office, world.banks()).await;
    wait_for(&office, |status| status.tasks[0].step >= 2).await;
    office.stop().await;
    let mut banks = back(going).await;
    banks[1].refuses = Some(RefusalReason::Length);

    let office = world.start();
    let going = joined(&world, &office, banks).await;
    let end = wait_for(&office, finished).await;
    assert_eq!(end.tasks[0].status, TaskStatus::Finished);
    assert_eq!(end.last_result.unwrap().survivors, 3);
    assert_eq!(end.tasks[0].approved.len(), 4, "what is logged stays");
    office.stop().await;
    for bank in back(going).await {
        assert_eq!(bank.refused, []);
    }
    assert!(
        !world
            .log()
            .iter()
            .any(|entry| matches!(entry, Entry::Abort { .. }))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_a_task_waits_for_is_told_with_who_refused_it() {
    let world = World::new(4);
    let office = world.start();
    create(&office, TASK).await.unwrap();
    let mut banks = world.banks();
    banks[1].trouble.loses = Some(|message| matches!(message, ToCoordinator::Approval(_)));
    banks[3].refuses = Some(RefusalReason::Resources);
    let going = joined(&world, &office, banks).await;
    let stands = wait_for(&office, |status| {
        status.epoch.is_some() && status.tasks[0].approved.len() == 2 && !status.tasks[0].refused.is_empty()
    })
    .await;
    assert_eq!(stands.tasks[0].silent, ["bank-2"]);
    assert_eq!(
        stands.waiting_for,
        "task small: 2 of 4 banks have approved it and are connected; waiting for the approval of bank-2; bank-4 refused it \
         (for what a round takes), without a time limit, until 3 are"
    );
    office.stop().await;
    drop(back(going).await);
}

/// A connection of bank 1 that says what the test says.
async fn scripted(world: &World, office: &Office) -> mpsc::UnboundedReceiver<ToBank> {
    let bank = BankIndex::new(1).unwrap();
    let (wire, heard) = mpsc::unbounded_channel();
    let wire = Wire(wire, world.roster().hash());
    office
        .inputs
        .send(Input::Connected(bank, 1, Box::new(wire)))
        .await
        .unwrap();
    let hello = ToCoordinator::Hello {
        wire: WIRE_VERSION,
        software: "a bank by hand".to_owned(),
        log_size: 0,
        armed: Vec::new(),
    };
    say(office, hello).await;
    heard
}

async fn say(office: &Office, message: ToCoordinator) {
    let bank = BankIndex::new(1).unwrap();
    office
        .inputs
        .send(Input::Message(bank, 1, Box::new(message), Box::new(())))
        .await
        .unwrap();
}

async fn rejected(heard: &mut mpsc::UnboundedReceiver<ToBank>) -> Check {
    loop {
        if let ToBank::Rejected(rejection) = heard.recv().await.unwrap() {
            return rejection.check;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_counts_only_under_the_key_of_the_bank_that_says_it() {
    let world = World::new(3);
    let office = world.start();
    let task = create(&office, TASK).await.unwrap();
    let mut heard = scripted(&world, &office).await;
    let signed = |key: SigningKey, bank: u16, task: Digest| {
        let bank = BankIndex::new(bank).unwrap();
        let reason = RefusalReason::Model;
        ToCoordinator::Refusal(Signed::sign(&key, Refusal { task, bank, reason }))
    };
    for (key, bank, task, check) in [
        (2, 1, task, Check::Signature),
        (2, 2, task, Check::Signature),
        (1, 2, task, Check::Signature),
        (1, 1, Digest([9; 32]), Check::TaskNotApproved),
    ] {
        say(&office, signed(signing_key(key), bank, task)).await;
        assert_eq!(rejected(&mut heard).await, check, "{key} {bank}");
        assert_eq!(refused(&status(&office).await), []);
    }
    say(&office, signed(signing_key(1), 1, task)).await;
    let stands = wait_for(&office, |status| !status.tasks[0].refused.is_empty()).await;
    assert_eq!(refused(&stands), [("bank-1", RefusalReason::Model)]);
    assert_eq!(stands.tasks[0].silent, ["bank-2", "bank-3"]);
    office.stop().await;
}
