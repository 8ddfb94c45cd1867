//! How the daemon takes up its operator's word on tasks, and holds to its own policy above it.

use std::time::{Duration, Instant};

use veilsum_protocol::task::Task;
use veilsum_protocol::wire::message::ToCoordinator;
use veilsum_protocol::wire::refusal::RefusalReason;

use super::scene::{Running, Scene};
use crate::participant::{Home, Status};

fn policy(scene: &Scene, text: &str) {
    std::fs::write(scene.folder.path().join("policy.toml"), text).unwrap();
}

/// A daemon that was offered the task.
async fn offered(scene: &mut Scene) -> (Running, Task) {
    let task = scene.offer();
    let mut daemon = scene.start();
    daemon.up().await;
    daemon.follow(&scene.log, 0).await;
    let reply = daemon.asked(task.hash()).await;
    reply.send(Ok(task.canonical_text().into_bytes())).unwrap();
    (daemon, task)
}

async fn refuses(daemon: &mut Running, reason: RefusalReason) {
    match daemon.sent().await {
        ToCoordinator::Refusal(refusal) => assert_eq!(refusal.claim().reason, reason),
        other => panic!("{other:?} was sent in place of a refusal"),
    }
}

async fn approves(daemon: &mut Running) {
    let sent = daemon.sent().await;
    assert!(matches!(sent, ToCoordinator::Approval(_)), "{sent:?}");
}

/// The status, once it is as wished.
async fn status(scene: &Scene, what: &str, wished: impl Fn(&Status) -> bool) -> Status {
    let path = Home::status(&scene.folder.path().join("state"));
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(Some(status)) = Status::read(&path)
            && wished(&status)
        {
            return status;
        }
        assert!(Instant::now() < deadline, "the status never tells {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_operator_s_no_is_told_on_each_connection_and_a_yes_takes_its_place() {
    let mut scene = Scene::new();
    let (mut daemon, task) = offered(&mut scene).await;
    daemon.is_quiet().await;
    scene.tasks().refuse(&task, RefusalReason::Operator).unwrap();
    refuses(&mut daemon, RefusalReason::Operator).await;
    daemon.down().await;
    daemon.up().await;
    refuses(&mut daemon, RefusalReason::Operator).await;
    daemon.crash().await;
    // Its file has it, the record does not.
    assert_eq!(scene.saved().refusal(&task.hash()), None);
    let mut daemon = scene.start();
    daemon.up().await;
    refuses(&mut daemon, RefusalReason::Operator).await;
    scene.tasks().approve(&task).unwrap();
    approves(&mut daemon).await;
    // A reason of the list goes with it, and another one takes its place.
    scene.tasks().refuse(&task, RefusalReason::Columns).unwrap();
    refuses(&mut daemon, RefusalReason::Columns).await;
    scene.tasks().refuse(&task, RefusalReason::Length).unwrap();
    refuses(&mut daemon, RefusalReason::Length).await;
    scene.tasks().approve(&task).unwrap();
    approves(&mut daemon).await;
    // And the other way round: what is signed stays, and no approval is said any more.
    scene.tasks().refuse(&task, RefusalReason::Operator).unwrap();
    refuses(&mut daemon, RefusalReason::Operator).await;
    let told = status(&scene, "the refusal", |status| {
        status.tasks.iter().any(|task| task.refused.is_some())
    })
    .await;
    assert!(told.tasks[0].approved);
    daemon.down().await;
    daemon.up().await;
    refuses(&mut daemon, RefusalReason::Operator).await;
    daemon.is_quiet().await;
    daemon.stop().await.unwrap();
    assert!(scene.saved().is_approved(&task.hash()));
}

#[tokio::test]
async fn a_task_beyond_the_policy_is_refused_at_once_whatever_the_operator_said() {
    let mut scene = Scene::new();
    policy(&scene, "[limits]\nmax_rounds = 1\n");
    let (mut daemon, task) = offered(&mut scene).await;
    refuses(&mut daemon, RefusalReason::Length).await;
    assert!(daemon.said(
        "is refused: it is beyond this bank's policy, max_rounds: found 2 training rounds, expected at most 1"
    ));
    // Written by a hand that went past the command.
    scene.tasks().approve(&task).unwrap();
    let told = status(&scene, "why", |status| {
        status.tasks.iter().any(|task| task.refused.is_some())
    })
    .await;
    assert!(told.tasks[0].refused.as_ref().unwrap().contains("max_rounds") && !told.tasks[0].approved);
    // Another limit is another reason.
    policy(&scene, "[limits]\nmax_rounds = 2\nmin_banks = 4\n");
    refuses(&mut daemon, RefusalReason::Banks).await;
    policy(&scene, "[limits]\nmax_rounds = 2\n");
    approves(&mut daemon).await;
    // A policy that is tightened later counts, too.
    policy(&scene, "[limits]\nnever_read = [\"a\"]\n");
    refuses(&mut daemon, RefusalReason::Columns).await;
    policy(&scene, "");
    approves(&mut daemon).await;
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn of_a_policy_that_cannot_be_read_nothing_is_approved_and_what_was_said_stands() {
    let mut scene = Scene::new();
    policy(&scene, "[limits]\nmax_round = 1\n");
    let (mut daemon, task) = offered(&mut scene).await;
    scene.tasks().approve(&task).unwrap();
    let told = status(&scene, "what is wrong", |status| status.policy.is_some()).await;
    assert!(told.policy.unwrap().contains("max_round"));
    daemon.is_quiet().await;
    policy(&scene, "[limits]\nmax_rounds = 1\n");
    refuses(&mut daemon, RefusalReason::Length).await;
    policy(&scene, "[limits]\nmax_rounds = many\n");
    status(&scene, "what is wrong", |status| status.policy.is_some()).await;
    daemon.is_quiet().await;
    policy(&scene, "[limits]\nmax_rounds = 2\n");
    approves(&mut daemon).await;
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn a_policy_that_is_loosened_where_nobody_approved_leaves_nothing_to_say() {
    let mut scene = Scene::new();
    policy(&scene, "[limits]\nmodels = [\"gru\"]\n");
    let (mut daemon, _) = offered(&mut scene).await;
    refuses(&mut daemon, RefusalReason::Model).await;
    policy(&scene, "");
    status(&scene, "that it is allowed", |status| {
        !status.tasks.is_empty() && status.tasks.iter().all(|task| task.refused.is_none())
    })
    .await;
    daemon.down().await;
    daemon.up().await;
    daemon.is_quiet().await;
    daemon.stop().await.unwrap();
}

#[tokio::test]
async fn outside_of_the_policy_s_hours_the_status_says_until_when() {
    let mut scene = Scene::new();
    let (daemon, _) = offered(&mut scene).await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    // A window that begins in two hours and ends an hour later, whatever the time is.
    let hour = |ahead: u64| (now / 3600 + ahead) % 24;
    policy(
        &scene,
        &format!("[limits]\nhours = [\"{:02}:00-{:02}:00\"]\n", hour(3), hour(4)),
    );
    let told = status(&scene, "until when", |status| {
        status.outside_hours_until.is_some()
    })
    .await;
    let until = told.outside_hours_until.unwrap();
    assert!(
        until > now && until % 3600 == 0 && until - now <= 3 * 3600,
        "{until} {now}"
    );
    policy(&scene, "[limits]\nhours = [\"00:00-24:00\"]\n");
    status(&scene, "that it takes part", |status| {
        status.outside_hours_until.is_none()
    })
    .await;
    daemon.stop().await.unwrap();
}
