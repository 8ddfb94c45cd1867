//! Changes of the roster while the coordinator runs, and while it dies.

use tokio::sync::oneshot;
use veilsum_coordinator::engine::driver::Input;
use veilsum_coordinator::engine::roster::RosterView;
use veilsum_protocol::log::RosterChain;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::roster_chain::Step;

use crate::world::{
    Death, Moment, Office, TASK, World, back, create, finished, propose, roster_of, wait_for,
};

async fn view(office: &Office) -> RosterView {
    let (sender, receiver) = oneshot::channel();
    office.inputs.send(Input::Roster(sender)).await.unwrap();
    receiver.await.unwrap()
}

async fn withdraw(office: &Office) -> Result<RosterView, String> {
    let (sender, receiver) = oneshot::channel();
    office.inputs.send(Input::WithdrawRoster(sender)).await.unwrap();
    receiver.await.unwrap()
}

/// Every change of the log was approved.
fn changes(world: &World) -> usize {
    let mut chain = RosterChain::default();
    let log = world.log();
    let steps = log.iter().map(|entry| chain.read(entry));
    let changes: Vec<Step> = steps
        .filter(|step| matches!(step, Step::Changed(_) | Step::Unapproved(..) | Step::Refused(_)))
        .collect();
    assert!(
        changes.iter().all(|step| matches!(step, Step::Changed(_))),
        "{changes:?}"
    );
    changes.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn banks_join_and_leave_while_the_coordinator_runs() {
    let mut world = World::new(4);
    let office = world.start();
    let joined = world.join_all(&office, world.banks()).await;
    wait_for(&office, |status| status.epoch == Some(1)).await;

    let proposed = propose(&office, &[5], &[]).await.unwrap().proposal.unwrap();
    assert_eq!(proposed.joins[0].name, "bank-5");
    assert!(
        proposed
            .waits_for
            .contains("the approval of bank-1, bank-2, bank-3, bank-4"),
        "{proposed:?}"
    );
    // The banks' sessions end, and they come again under the new roster.
    wait_for(&office, |status| status.banks.len() == 5).await;
    let mut banks = back(joined).await;
    let five = roster_of(&[1, 2, 3, 4, 5]);
    assert!(banks.iter().all(|bank| bank.pinned.as_ref() == Some(&five)));
    assert_eq!(world.roster(), five);
    world.reform(&[1, 2, 3, 4, 5]);
    banks.push(world.bank(5, 0));
    let joined = world.join_all(&office, banks).await;
    create(&office, TASK).await.unwrap();
    let end = wait_for(&office, finished).await;
    assert_eq!((end.epoch, end.last_result.unwrap().survivors), (Some(2), 5));

    // The first leaves, and all others get another position. Its operator refuses, which counts for nothing.
    assert_eq!(view(&office).await.proposal.map(|open| open.roster), None);
    propose(&office, &[], &[1]).await.unwrap();
    wait_for(&office, |status| status.banks.len() == 4).await;
    let banks = back(joined).await;
    let (left, stay): (Vec<_>, Vec<_>) = banks.into_iter().partition(|bank| bank.machine.roster() == &five);
    assert_eq!((left.len(), stay.len()), (1, 4));
    assert!(!left[0].machine.is_in_force());
    let joined = world.join_all(&office, stay).await;
    create(&office, &TASK.replace("seed = 1", "seed = 2"))
        .await
        .unwrap();
    let end = wait_for(&office, |status| {
        status.tasks.len() == 2 && status.tasks[1].step == status.tasks[1].steps
    })
    .await;
    assert_eq!((end.epoch, end.last_result.unwrap().survivors), (Some(3), 4));
    office.stop().await;
    for bank in back(joined).await {
        assert_eq!(bank.refused, []);
    }
    assert_eq!(changes(&world), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_one_bank_refuses_waits_and_can_be_withdrawn() {
    let world = World::new(4);
    let office = world.start();
    let mut banks = world.banks();
    banks[2].refuses_rosters = true;
    let joined = world.join_all(&office, banks).await;
    wait_for(&office, |status| status.epoch == Some(1)).await;
    for (add, remove, expected) in [
        (&[][..], &[9][..], "not in the roster"),
        (&[], &[1, 2], "2 banks in the roster"),
        (&[], &[], "it is the roster in force"),
        (&[2], &[], "same name"),
    ] {
        let refused = propose(&office, add, remove).await.unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }
    assert!(
        withdraw(&office)
            .await
            .unwrap_err()
            .contains("no change is proposed")
    );
    propose(&office, &[5], &[]).await.unwrap();
    let second = propose(&office, &[6], &[]).await.unwrap_err();
    assert!(second.contains("withdraw it first"), "{second}");
    create(&office, TASK).await.unwrap();
    // Rounds go on under the roster that is in force.
    wait_for(&office, finished).await;
    let open = view(&office).await.proposal.unwrap();
    assert_eq!(open.approved, ["bank-1", "bank-2", "bank-4"]);
    assert_eq!(open.refused, ["bank-3"]);
    assert!(
        open.waits_for.contains("the approval of bank-3"),
        "{}",
        open.waits_for
    );
    assert!(withdraw(&office).await.unwrap().proposal.is_none());
    assert!(propose(&office, &[6], &[]).await.is_ok());
    office.stop().await;
    for bank in back(joined).await {
        assert_eq!((bank.pinned, bank.refused), (None, Vec::new()));
    }
    assert_eq!(changes(&world), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_dies_at_any_commit_of_a_change_carries_it_out() {
    // The proposal, four approvals (some in one commit), the roster, and that it goes.
    let mut died = 0;
    for commit in 1..=8 {
        for lands in [false, true] {
            let death = Death {
                at: Moment::Commit(commit),
                lands,
            };
            let mut world = World::new(4);
            let mut banks = world.armed().await;
            let office = world.start_with(Some(death), 60);
            let joined = world.join_all(&office, banks).await;
            // A coordinator that dies over it gives no answer.
            let (sender, receiver) = oneshot::channel();
            let add = roster_of(&[6, 7, 5]).banks()[2..].to_vec();
            let _ = office
                .inputs
                .send(Input::ProposeRoster(add, Vec::new(), sender))
                .await;
            let answered = receiver.await.is_ok();
            let ended = wait_for_end(&world, &office).await;
            died += usize::from(ended);
            if ended {
                office.death().await;
            } else {
                office.kill().await;
            }
            banks = back(joined).await;

            let office = world.start();
            world.reform(&[1, 2, 3, 4, 5]);
            if world.roster().banks().len() == 4 {
                let joined = world.join_all(&office, banks).await;
                if !answered && view(&office).await.proposal.is_none() {
                    propose(&office, &[5], &[]).await.unwrap();
                }
                wait_for(&office, |status| status.banks.len() == 5).await;
                banks = back(joined).await;
            }
            banks.push(world.bank(5, 0));
            let joined = world.join_all(&office, banks).await;
            create(&office, TASK).await.unwrap();
            let end = wait_for(&office, finished).await;
            assert_eq!(end.last_result.unwrap().survivors, 5, "{death:?}");
            office.stop().await;
            for bank in back(joined).await {
                assert_eq!(bank.refused, [], "{death:?}");
            }
            assert_eq!(changes(&world), 1, "{death:?}");
        }
    }
    assert!(died >= 6, "{died}");
}

/// Waits until the coordinator has died or goes by five banks.
async fn wait_for_end(world: &World, office: &Office) -> bool {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        if office.inputs.is_closed() {
            return true;
        }
        if world.roster().banks().len() == 5 {
            return false;
        }
        assert!(std::time::Instant::now() < deadline, "neither dead nor changed");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_names_other_banks_than_the_log_is_refused() {
    let mut world = World::new(4);
    let office = world.start();
    office.stop().await;
    world.reform(&[1, 2, 3, 4, 9]);
    let refused = world.refused();
    assert!(
        refused.contains("roster propose") && refused.contains("never in force"),
        "{refused}"
    );
    // A file of before a change is brought up to date.
    world.reform(&[1, 2, 3, 4]);
    let office = world.start();
    let joined = world.join_all(&office, world.banks()).await;
    wait_for(&office, |status| status.epoch == Some(1)).await;
    propose(&office, &[5], &[]).await.unwrap();
    wait_for(&office, |status| status.banks.len() == 5).await;
    office.stop().await;
    back(joined).await;
    let office = world.start();
    assert_eq!(world.roster(), roster_of(&[1, 2, 3, 4, 5]));
    office.stop().await;
    assert!(matches!(world.log().last(), Some(Entry::Roster { .. })));
}
