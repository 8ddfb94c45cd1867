//! What the operator says of tasks, and what whoever watches sees of it.

use veilsum_coordinator::engine::driver::Input;
use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_protocol::log::entry::Entry;

use crate::world::{Office, TASK, World, ask, back, create, finished, status, wait_for};

async fn pause(office: &Office, name: &str) -> Result<(), String> {
    let name = name.to_owned();
    ask(office, |to| Input::PauseTask(name, to)).await.map(|_| ())
}

async fn resume(office: &Office, name: &str) -> Result<(), String> {
    let name = name.to_owned();
    ask(office, |to| Input::ResumeTask(name, to)).await.map(|_| ())
}

async fn stop(office: &Office, name: &str) -> Result<(), String> {
    let name = name.to_owned();
    ask(office, |to| Input::StopTask(name, to)).await.map(|_| ())
}

fn long(name: &str, rounds: u32) -> String {
    TASK.replace("rounds = 2", &format!("rounds = {rounds}"))
        .replace("\"small\"", &format!("\"{name}\""))
}

fn all_here(status: &Status) -> bool {
    status.banks.iter().all(|bank| bank.connected)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_task_ends_its_round_and_rests_until_it_is_resumed_also_after_a_restart() {
    let world = World::new(3);
    let office = world.start();
    create(&office, &long("small", 60)).await.unwrap();
    let joined = world.join_all(&office, world.banks()).await;
    wait_for(&office, |status| {
        status.tasks[0].step >= 2 && status.round.is_some()
    })
    .await;
    pause(&office, "small").await.unwrap();
    // A second time changes nothing.
    pause(&office, "small").await.unwrap();
    let rests = wait_for(&office, |status| status.round.is_none()).await;
    let step = rests.tasks[0].step;
    assert_eq!(rests.tasks[0].status, TaskStatus::Paused);
    assert!(!rests.tasks[0].current);
    assert_eq!(
        rests.waiting_for,
        "task small is paused; `veilsum-coordinator task resume small` goes on with it"
    );
    assert_eq!(rests.waits_until, None);
    let last = rests.past.last().unwrap();
    assert_eq!(
        (last.survivors, &last.failed),
        (Some(3), &None),
        "the open round ended as usual"
    );
    office.stop().await;

    let office = world.start();
    let joined = world.join_all(&office, back(joined).await).await;
    let again = wait_for(&office, all_here).await;
    assert_eq!((again.tasks[0].step, again.round.is_none()), (step, true));
    assert_eq!(
        again.tasks[0].last_result, rests.tasks[0].last_result,
        "known again from the log"
    );
    resume(&office, "small").await.unwrap();
    let end = wait_for(&office, finished).await;
    assert_eq!(end.tasks[0].status, TaskStatus::Finished);
    office.stop().await;
    for bank in back(joined).await {
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
async fn another_task_runs_while_the_first_rests_and_the_first_goes_on_in_its_place() {
    let world = World::new(3);
    let office = world.start();
    create(&office, &long("first", 30)).await.unwrap();
    create(&office, &long("second", 30)).await.unwrap();
    let joined = world.join_all(&office, world.banks()).await;
    wait_for(&office, |status| {
        status.tasks[0].step >= 1 && status.round.is_some()
    })
    .await;
    pause(&office, "first").await.unwrap();
    let turn = wait_for(&office, |status| status.tasks[1].step >= 2).await;
    assert!(turn.tasks[1].current && turn.tasks[1].step < turn.tasks[1].steps);
    let rested = turn.tasks[0].step;
    resume(&office, "first").await.unwrap();
    let end = wait_for(&office, |status| {
        status
            .tasks
            .iter()
            .all(|task| task.status == TaskStatus::Finished)
            && status.round.is_none()
    })
    .await;
    assert!(rested < end.tasks[0].steps);
    office.stop().await;
    for bank in back(joined).await {
        assert_eq!(bank.refused, []);
    }
    let log = world.log();
    assert!(!log.iter().any(|entry| matches!(entry, Entry::Abort { .. })));
    // The steps of each came in order, with those of the other between them.
    let opened: Vec<_> = log
        .iter()
        .filter_map(|entry| match entry {
            Entry::RoundOpen(open) => Some((open.task, open.step)),
            _ => None,
        })
        .collect();
    for task in &end.tasks {
        let steps = opened
            .iter()
            .filter(|(of, _)| *of == task.task)
            .map(|(_, step)| *step);
        assert!(steps.eq(0..task.steps), "{}", task.name);
    }
    let changes = opened.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
    assert_eq!(changes, 3, "first, second, first, second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_task_can_be_stopped_and_one_that_is_over_can_be_nothing() {
    let world = World::new(3);
    let office = world.start();
    let nobody = pause(&office, "credit").await.unwrap_err();
    assert!(
        nobody.contains("found no task credit: there is none yet"),
        "{nobody}"
    );
    create(&office, &long("small", 5)).await.unwrap();
    create(&office, &long("large", 5)).await.unwrap();
    for refused in [
        pause(&office, "credit").await,
        resume(&office, "credit").await,
        stop(&office, "credit").await,
        ask(&office, |to| Input::ShowTask("credit".to_owned(), to))
            .await
            .map(|_| ()),
    ] {
        assert_eq!(
            refused.unwrap_err(),
            "found no task credit, expected one of: small, large"
        );
    }
    pause(&office, "small").await.unwrap();
    let same_name = create(&office, &long("small", 6)).await.unwrap_err();
    assert!(same_name.contains("a task named small is paused"), "{same_name}");
    stop(&office, "small").await.unwrap();
    for (wish, refused) in [
        ("paused", pause(&office, "small").await),
        ("resumed", resume(&office, "small").await),
    ] {
        assert_eq!(
            refused.unwrap_err(),
            format!("task small is stopped: by the operator; a task that is over cannot be {wish}")
        );
    }
    let detail = ask(&office, |to| Input::ShowTask("large".to_owned(), to))
        .await
        .unwrap();
    assert!(detail.description.starts_with("Task large\n"));
    assert!(detail.line.current && detail.line.approved.is_empty());
    office.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_begins_to_watch_sees_nothing_older_than_the_answer_to_a_question() {
    let world = World::new(3);
    let office = world.start();
    create(&office, TASK).await.unwrap();
    let _first = office.feed.subscribe();
    status(&office).await;
    pause(&office, "small").await.unwrap();
    // Sooner after the last status than one is sent by itself.
    let second = office.feed.subscribe();
    status(&office).await;
    let seen = second.borrow().clone().unwrap();
    assert_eq!(seen.tasks[0].status, TaskStatus::Paused);
    office.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_sees_every_status_that_stays_and_costs_nothing_when_gone() {
    let world = World::new(3);
    let office = world.start();
    create(&office, TASK).await.unwrap();
    let mut watcher = office.feed.subscribe();
    // The question makes the engine send what it has.
    status(&office).await;
    watcher.changed().await.unwrap();
    let first = watcher.borrow_and_update().clone().unwrap();
    assert_eq!(first.tasks.len(), 1);
    let joined = world.join_all(&office, world.banks()).await;
    let all = watcher.wait_for(|status| status.as_ref().is_some_and(|status| finished(status)));
    let end = tokio::time::timeout(std::time::Duration::from_secs(30), all)
        .await
        .unwrap()
        .unwrap();
    let end = end.clone().unwrap();
    assert_eq!(
        end.past.len(),
        4,
        "statistics, two of training, one of evaluation"
    );
    for round in &end.past {
        let named: Vec<&str> = round.phases.iter().map(|phase| phase.phase.as_str()).collect();
        assert!(
            named.starts_with(&["prepare"]) || named.starts_with(&["ready"]),
            "{named:?}"
        );
        assert!(named.ends_with(&["publish"]), "{named:?}");
        assert!(round.phases.iter().all(|phase| phase.ended.is_some()));
        assert!(
            round
                .phases
                .windows(2)
                .all(|pair| pair[0].ended == Some(pair[1].begun))
        );
    }
    assert_eq!(end.least_banks, 3);
    office.stop().await;
    back(joined).await;
}
