//! Key epochs that are set up while banks lose their keys or hold everybody up, and while the coordinator dies.

use veilsum_protocol::ids::Epoch;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};

use crate::world::{Death, Moment, TASK, World, back, create, finished, status, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_dies_at_any_commit_of_a_new_epoch_arms_one_and_trains() {
    // Three commits: the epoch's number, the directory, and that it is armed.
    for commit in 1..=3 {
        for lands in [false, true] {
            let death = Death {
                at: Moment::Commit(commit),
                lands,
            };
            let world = World::new(3);
            let mut banks = world.armed().await;
            banks[2] = world.bank(3, 1);
            let office = world.start_with(Some(death), 60);
            let joined = world.join_all(&office, banks).await;
            office.death().await;
            let banks = back(joined).await;

            let office = world.start();
            let is_armed = commit == 3 && lands;
            let left = if is_armed { 2 } else { 1 };
            assert_eq!(status(&office).await.epoch, Some(left), "{death:?}");
            create(&office, TASK).await.unwrap();
            let joined = world.join_all(&office, banks).await;
            let end = wait_for(&office, finished).await;
            let is_second = is_armed || (commit == 1 && !lands);
            assert_eq!(end.epoch, Some(if is_second { 2 } else { 3 }), "{death:?}");
            assert_eq!(end.last_result.unwrap().survivors, 3);
            office.stop().await;
            for bank in back(joined).await {
                assert_eq!(bank.refused, [], "{death:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_epoch_that_was_held_up_once_is_tried_again() {
    let world = World::new(3);
    let mut banks = world.armed().await;
    banks[2] = world.bank(3, 1);
    banks[1].trouble.loses = Some(|message| matches!(message, ToCoordinator::Armed { epoch: Epoch(2) }));
    let office = world.start_with(None, 2);
    create(&office, TASK).await.unwrap();
    let joined = world.join_all(&office, banks).await;
    let end = wait_for(&office, finished).await;
    assert_eq!(end.epoch, Some(3));
    office.stop().await;
    back(joined).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_go_on_under_the_last_epoch_while_one_bank_never_agrees_on_another() {
    let world = World::new(5);
    let mut banks = world.armed().await;
    banks[4] = world.bank(5, 1);
    banks[4].trouble.loses = Some(|message| matches!(message, ToCoordinator::Armed { .. }));
    let office = world.start_with(None, 1);
    create(&office, TASK).await.unwrap();
    let joined = world.join_all(&office, banks).await;
    let end = wait_for(&office, finished).await;
    assert_eq!((end.epoch, end.last_result.unwrap().survivors), (Some(1), 4));
    let name = "was held up by bank-5";
    wait_for(&office, |status| status.waiting_for.contains(name)).await;
    office.stop().await;
    back(joined).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_epoch_is_armed_although_a_bank_loses_the_keys_that_it_gave() {
    let world = World::new(3);
    let mut banks = world.banks();
    banks[1].trouble.dies_at = Some(|message| matches!(message, ToBank::Directory(_)));
    let office = world.start_with(None, 3);
    create(&office, TASK).await.unwrap();
    let mut joined = world.join_all(&office, banks).await;
    joined.remove(1).await.unwrap();
    wait_for(&office, |status| {
        status.waiting_for.contains("waiting for bank-2")
    })
    .await;
    let anew = world.join(&office, world.bank(2, 1)).await;
    let end = wait_for(&office, finished).await;
    assert_eq!((end.epoch, end.last_result.unwrap().survivors), (Some(2), 3));
    office.stop().await;
    assert_eq!(
        anew.await.unwrap().refused,
        [Check::OwnKeys],
        "its own keys of epoch 1 were others"
    );
    back(joined).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_that_loses_its_keys_before_the_others_are_armed_stops_nobody() {
    // Three banks need each other, so it gets new keys at once; four of five go on without it first.
    for (count, epoch, survivors) in [(3, 2, 3), (5, 1, 4)] {
        let world = World::new(count);
        let mut banks = world.banks();
        banks[0].trouble.dies_at = Some(|message| matches!(message, ToBank::PairConfirmations { .. }));
        let office = world.start();
        create(&office, TASK).await.unwrap();
        let mut joined = world.join_all(&office, banks).await;
        let one = joined.remove(0).await.unwrap();
        // The others have said that they are armed; then the last comes with nothing, and bank 1 says it too.
        wait_for(&office, |status| {
            status.waiting_for.starts_with("key epoch 1: waiting for bank-1;")
        })
        .await;
        joined.pop().unwrap().abort();
        let last = world.join(&office, world.bank(count, 1)).await;
        let refused = format!("bank-{count}");
        wait_for(&office, |status| {
            let bank = status.banks.iter().find(|bank| bank.name == refused);
            bank.is_some_and(|bank| bank.connected)
        })
        .await;
        joined.extend([last, world.join(&office, one).await]);
        let end = wait_for(&office, finished).await;
        let found = (end.epoch, end.last_result.unwrap().survivors);
        assert_eq!(found, (Some(epoch), survivors));
        office.stop().await;
        back(joined).await;
    }
}
