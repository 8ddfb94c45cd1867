//! How the daemon follows the log.

use veilsum_protocol::ids::{BankIndex, Digest, Epoch, Round, Timestamp};
use veilsum_protocol::log::entry::{Entry, RoundOpen, RoundResult};
use veilsum_protocol::log::{Receipt, Witnesses};
use veilsum_protocol::model::ColumnSums;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::context::Context;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::secagg::pack;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical as _;
use veilsum_protocol::wire::message::{Rejection, ToBank, ToCoordinator};
use veilsum_protocol::wire::statement::SurvivorList;

use super::scene::{Running, Scene};

/// A statistics round of the other banks in the log: its sum, packed, and the state that follows.
struct Round1 {
    sum: Vec<u8>,
    next: TaskState,
}

fn log_statistics_round(scene: &mut Scene, task: &Task, next_state: Option<Digest>) -> Round1 {
    let (plan, state) = (Plan::new(task), TaskState::initial(task));
    let kind = plan.kind(0).unwrap();
    let mut column = ColumnSums::default();
    for row in 0..50 {
        column.add(f64::from(row) / 50.0);
    }
    let part = plan.statistics(&[column]).unwrap();
    let lanes: Vec<u32> = part.lanes().iter().map(|lane| 3 * lane).collect();
    let (next, _) = state.advance(task, &plan, &lanes, 3).unwrap();
    let ring = plan.layout(kind).ring(3).unwrap();
    let mut sum = Vec::new();
    pack::pack(ring, &lanes, &mut sum);
    let open = RoundOpen {
        epoch: Epoch(1),
        round: Round(1),
        task: task.hash(),
        kind,
        step: 0,
        attempt: 0,
        state: state.hash(),
        last_result: Digest([0; 32]),
        layout: plan.layout(kind).digest(),
        directory: Digest([0; 32]),
        manifest: Digest([0; 32]),
        thresholds: Thresholds::with_most_colluders(3).unwrap(),
        digit_bits: plan.layout(kind).digit_bits,
        ring_bits: ring.bits(),
        opened_at: Timestamp(0),
        ready_until: Timestamp(60),
    };
    let result = RoundResult {
        round: Round(1),
        open: open.hash(),
        kind,
        step: 0,
        sum: Digest::of(&sum),
        survivors: 3,
        weight: 0,
        next_state: next_state.unwrap_or_else(|| next.hash()),
        metrics: None,
    };
    let banks: Vec<BankIndex> = scene.roster.banks().iter().map(|bank| bank.index).collect();
    let list = banks
        .iter()
        .map(|bank| (*bank, Digest::of(&bank.get().to_be_bytes())));
    let survivors = Entry::Survivors {
        round: Round(1),
        list: list.collect(),
    };
    let confirmed = SurvivorList {
        context: Context::of(&open, &banks).digest(),
        survivors: survivors.hash(),
    };
    let signatures = scene.signatures(&confirmed);
    scene.log.push(&Entry::RoundOpen(open));
    scene.log.push(&Entry::Cohort {
        round: Round(1),
        banks,
    });
    scene.log.push(&survivors);
    scene.log.push(&Entry::Certificate {
        round: Round(1),
        signatures,
    });
    scene.log.push(&Entry::Result(result));
    Round1 { sum, next }
}

async fn gives_task(daemon: &mut Running, task: &Task) {
    let reply = daemon.asked(task.hash()).await;
    reply.send(Ok(task.canonical_text().into_bytes())).unwrap();
}

#[tokio::test]
async fn an_entry_that_waits_for_its_blob_holds_back_all_that_follows() {
    let mut scene = Scene::new();
    let task = scene.offer();
    let mut daemon = scene.start();
    assert_eq!(daemon.up().await, 0);
    daemon.follow(&scene.log, 0).await;
    daemon.tell(ToBank::EpochAsk { epoch: Epoch(1) }).await;
    let reply = daemon.asked(task.hash()).await;
    daemon.is_quiet().await;
    // The hello of a new connection does not wait.
    daemon.down().await;
    assert_eq!(daemon.up().await, 1);
    daemon.is_quiet().await;
    reply.send(Ok(task.canonical_text().into_bytes())).unwrap();
    assert!(matches!(daemon.sent().await, ToCoordinator::EpochKeys(_)));
    assert!(daemon.said("task credit"));
    daemon.stop().await.unwrap();
    // What was sent was durable first, and the task is known without asking again.
    assert_eq!(scene.saved().log_size(), 2);
    assert_eq!(scene.tasks().offered().unwrap(), [task]);
}

#[tokio::test]
async fn a_task_that_cannot_be_read_is_passed_over() {
    let mut scene = Scene::new();
    let text = b"name = \"of another version\"".to_vec();
    scene.log.push(&Entry::Task {
        name: "later".to_owned(),
        task: Digest::of(&text),
    });
    let task = scene.offer();
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.follow(&scene.log, 0).await;
    let reply = daemon.asked(Digest::of(&text)).await;
    reply.send(Ok(text)).unwrap();
    gives_task(&mut daemon, &task).await;
    daemon.is_quiet().await;
    assert!(daemon.said("is passed over"));
    daemon.stop().await.unwrap();
    assert_eq!(scene.saved().log_size(), 3);
}

#[tokio::test]
async fn an_approval_reaches_the_running_daemon_and_survives_it() {
    let mut scene = Scene::new();
    let task = scene.offer();
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.follow(&scene.log, 0).await;
    gives_task(&mut daemon, &task).await;
    daemon.is_quiet().await;
    scene.tasks().approve(&task).unwrap();
    let ToCoordinator::Approval(approval) = daemon.sent().await else {
        panic!("no approval");
    };
    assert_eq!(approval.claim().task, task.hash());
    daemon.crash().await;
    assert!(scene.saved().is_approved(&task.hash()));
    let mut daemon = scene.start();
    assert_eq!(daemon.up().await, 2);
    assert!(matches!(daemon.sent().await, ToCoordinator::Approval(_)));
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_state_is_derived_from_the_log_s_sum_also_after_a_crash_in_between() {
    let mut scene = Scene::new();
    let task = scene.offer();
    let round = log_statistics_round(&mut scene, &task, None);
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.follow(&scene.log, 0).await;
    gives_task(&mut daemon, &task).await;
    let _reply = daemon.asked(Digest::of(&round.sum)).await;
    daemon.crash().await;

    let mut daemon = scene.start();
    let from = daemon.up().await;
    assert!(from < 7, "the result is still to come");
    daemon.follow(&scene.log, usize::try_from(from).unwrap()).await;
    let reply = daemon.asked(Digest::of(&round.sum)).await;
    reply.send(Ok(round.sum.clone())).unwrap();
    let ToCoordinator::Derived(derived) = daemon.sent().await else {
        panic!("not derived");
    };
    assert_eq!(derived.claim().state, round.next.hash());
    assert!(daemon.said("round 1: 3 of 3 banks' sums are in; the inputs' moments derived and checked"));
    daemon.stop().await.unwrap();

    let progress = scene.saved().progress(&task.hash()).unwrap();
    assert_eq!((progress.step, progress.state), (1, round.next.hash()));
    let kept = scene
        .home()
        .states
        .load(&task.hash(), 1, &progress.state)
        .unwrap();
    assert_eq!(kept, round.next);
    let model = std::fs::read(scene.folder.path().join("models/credit/model.safetensors")).unwrap();
    let model = crate::model::Snapshot::from_bytes(&model, &task).unwrap();
    assert_eq!((model.version, model.parameters), (0, round.next.parameters));
}

#[tokio::test]
async fn a_result_that_the_sum_does_not_lead_to_is_refused() {
    let mut scene = Scene::new();
    let task = scene.offer();
    let round = log_statistics_round(&mut scene, &task, Some(Digest::of(b"another state")));
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.follow(&scene.log, 0).await;
    gives_task(&mut daemon, &task).await;
    let reply = daemon.asked(Digest::of(&round.sum)).await;
    reply.send(Ok(round.sum)).unwrap();
    let ToCoordinator::Objection { check, .. } = daemon.sent().await else {
        panic!("no objection");
    };
    assert_eq!(check, Check::DerivedState);
    assert!(daemon.said("REFUSED"));
    daemon.stop().await.unwrap();
    assert_eq!(scene.saved().progress(&task.hash()).unwrap().step, 0);
    assert!(!scene.folder.path().join("models").exists());
}

#[tokio::test]
async fn a_sum_that_does_not_unpack_is_refused() {
    let mut scene = Scene::new();
    let task = scene.offer();
    let round = log_statistics_round(&mut scene, &task, None);
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.follow(&scene.log, 0).await;
    gives_task(&mut daemon, &task).await;
    let reply = daemon.asked(Digest::of(&round.sum)).await;
    reply.send(Ok(round.sum[1..].to_vec())).unwrap();
    assert!(matches!(daemon.sent().await, ToCoordinator::Objection { .. }));
    assert!(daemon.said("the published sum is not one of this step"));
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_rewritten_log_is_refused_and_the_bank_says_so() {
    let mut scene = Scene::new();
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.follow(&scene.log, 0).await;
    daemon.is_quiet().await;
    let task = scene.offer();
    let ToBank::Log(mut extension) = scene.log.extension(1) else {
        panic!("not an extension");
    };
    extension.leaves.clear();
    daemon.tell(ToBank::Log(extension)).await;
    daemon.is_quiet().await;
    assert!(daemon.said("C-601"));
    let kept = std::fs::read_dir(scene.folder.path().join("state/evidence")).unwrap();
    assert_eq!(kept.count(), 1, "both notes are kept as evidence");
    // The honest one is still taken.
    daemon.follow(&scene.log, 1).await;
    gives_task(&mut daemon, &task).await;
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_disk_that_does_not_take_the_state_stops_the_daemon_before_it_answers() {
    let scene = Scene::new();
    let mut daemon = scene.start();
    daemon.up().await;
    // A folder in the place of the new state: it cannot be written.
    std::fs::create_dir(scene.folder.path().join("state/participant.state.new")).unwrap();
    daemon.tell(ToBank::EpochAsk { epoch: Epoch(1) }).await;
    let error = daemon.ended().await.unwrap_err().to_string();
    assert!(error.contains("participant.state.new"), "{error}");
}

#[tokio::test]
async fn a_task_s_text_that_was_lost_is_fetched_again_for_the_next_result() {
    let mut scene = Scene::new();
    let task = scene.offer();
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.follow(&scene.log, 0).await;
    gives_task(&mut daemon, &task).await;
    daemon.is_quiet().await;
    daemon.stop().await.unwrap();
    let text = scene
        .folder
        .path()
        .join(format!("state/tasks/{}.toml", task.hash()));
    std::fs::remove_file(&text).unwrap();

    let round = log_statistics_round(&mut scene, &task, None);
    let mut daemon = scene.start();
    let from = usize::try_from(daemon.up().await).unwrap();
    daemon.follow(&scene.log, from).await;
    gives_task(&mut daemon, &task).await;
    let reply = daemon.asked(Digest::of(&round.sum)).await;
    reply.send(Ok(round.sum.clone())).unwrap();
    assert!(matches!(daemon.sent().await, ToCoordinator::Derived(_)));
    daemon.stop().await.unwrap();
    assert_eq!(scene.saved().progress(&task.hash()).unwrap().step, 1);
}

#[tokio::test]
async fn a_task_s_text_that_cannot_be_had_again_stops_the_daemon_with_its_name() {
    let mut scene = Scene::new();
    let task = scene.offer();
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.follow(&scene.log, 0).await;
    gives_task(&mut daemon, &task).await;
    daemon.is_quiet().await;
    daemon.stop().await.unwrap();
    std::fs::remove_dir_all(scene.folder.path().join("state/tasks")).unwrap();
    log_statistics_round(&mut scene, &task, None);
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.follow(&scene.log, 2).await;
    let reply = daemon.asked(task.hash()).await;
    reply.send(Ok(b"name = 1".to_vec())).unwrap();
    let error = daemon.ended().await.unwrap_err().to_string();
    assert!(
        error.contains(&task.hash().to_hex()) && error.contains("put "),
        "{error}"
    );
}

#[tokio::test]
async fn another_roster_s_keys_and_the_files_of_rounds_that_are_over_go_at_the_start() {
    let mut scene = Scene::new();
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.tell(ToBank::EpochAsk { epoch: Epoch(1) }).await;
    assert!(matches!(daemon.sent().await, ToCoordinator::EpochKeys(_)));
    daemon.stop().await.unwrap();
    let state = scene.folder.path().join("state");
    let with_keys = std::fs::read(state.join("participant.state")).unwrap();
    for name in ["3.digits", "3.masked", "9.digits.new"] {
        std::fs::write(state.join("rounds").join(name), "secret").unwrap();
    }

    scene.add_bank();
    let mut daemon = scene.start();
    let without = std::fs::read(state.join("participant.state")).unwrap();
    assert!(without.len() < with_keys.len(), "the keys are still there");
    daemon.up().await;
    assert_eq!(std::fs::read_dir(state.join("rounds")).unwrap().count(), 0);
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn what_the_coordinator_says_reaches_the_terminal_harmless_and_short() {
    let scene = Scene::new();
    let mut daemon = scene.start();
    daemon.up().await;
    let software = "\u{1b}[2Jevil".to_owned() + &"x".repeat(1 << 20);
    daemon
        .tell(ToBank::Welcome {
            wire: 1,
            software: software.clone(),
        })
        .await;
    let rejection = Rejection::new(Check::Version, software);
    daemon.tell(ToBank::Rejected(rejection)).await;
    daemon.is_quiet().await;
    assert!(daemon.said("the coordinator runs [2Jevil") && daemon.said("did not accept"));
    daemon.lines(|line| {
        assert!(
            !line.contains(char::is_control) && line.chars().count() < 700,
            "{line:?}"
        );
    });
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_coordinator_of_another_wire_version_is_told_with_both_numbers() {
    let scene = Scene::new();
    let mut daemon = scene.start();
    daemon.up().await;
    let software = "veilsum-coordinator 9".to_owned();
    daemon.tell(ToBank::Welcome { wire: 2, software }).await;
    daemon.is_quiet().await;
    assert!(daemon.said("C-708") && daemon.said("the coordinator speaks version 2, this bank version 1"));
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_is_acted_on_before_enough_banks_have_seen_it_and_receipts_are_kept() {
    let mut scene = Scene::new();
    let task = scene.offer();
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.tell(scene.log.extension(0)).await;
    let ToCoordinator::Cosignature { size, .. } = daemon.sent().await else {
        panic!("no cosignature");
    };
    assert_eq!(size, 2);
    daemon.is_quiet().await;
    let ToBank::Witnessed {
        size,
        mut cosignatures,
    } = scene.log.witnessed()
    else {
        panic!("no cosignatures");
    };
    let all = cosignatures.clone();
    cosignatures.truncate(1);
    daemon.tell(ToBank::Witnessed { size, cosignatures }).await;
    let ToCoordinator::Objection { check, .. } = daemon.sent().await else {
        panic!("no objection");
    };
    assert_eq!(check, Check::Witnesses);
    assert!(daemon.said("C-602"));
    let cosignatures = all;
    daemon.tell(ToBank::Witnessed { size, cosignatures }).await;
    gives_task(&mut daemon, &task).await;
    scene.tasks().approve(&task).unwrap();
    let ToCoordinator::Approval(approval) = daemon.sent().await else {
        panic!("no approval");
    };
    scene.log.push(&Entry::TaskApproval {
        task: task.hash(),
        bank: BankIndex::new(1).unwrap(),
        signature: approval.signature(),
    });
    daemon.follow(&scene.log, 2).await;
    daemon.is_quiet().await;
    daemon.stop().await.unwrap();
    let receipts = scene.folder.path().join("state/receipts");
    let kept: Vec<_> = std::fs::read_dir(receipts)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let [path] = kept.as_slice() else {
        panic!("{kept:?}");
    };
    assert!(path.ends_with(format!("approval-{}.tlog-proof", &task.hash().to_hex()[..16])));
    let receipt = Receipt::parse(&std::fs::read(path).unwrap()).unwrap();
    let proven = receipt
        .verify(&scene.log.verifier(), &Witnesses::of(&scene.roster), 3)
        .unwrap();
    assert_eq!(proven.index, 2);
}
