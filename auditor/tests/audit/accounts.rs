//! What the log says of one bank, of one model and of one task. The expected values are those of the story, by hand.

use veilsum_auditor::account::{
    AccountError, BankAccount, ModelAccount, StateAccount, tell_bank, tell_model,
};
use veilsum_protocol::log::entry::{Entry, RoundResult};
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::wire::canonical::Canonical;

use crate::program::{out, with_key};
use crate::rounds::story;
use crate::world::World;

fn bank(world: &World, name: &str) -> BankAccount {
    world.on_disk(|_, audit| tell_bank(&audit, name).unwrap())
}

fn model(world: &World, hash: &str) -> ModelAccount {
    world.on_disk(|_, audit| tell_model(&audit, hash).unwrap())
}

fn state(world: &World, hash: &str) -> StateAccount {
    match model(world, hash) {
        ModelAccount::State(state) => *state,
        ModelAccount::Task(task) => panic!("a task: {task:?}"),
    }
}

fn results(world: &World) -> Vec<RoundResult> {
    let results = world.find(|entry| matches!(entry, Entry::Result(_)));
    let result = |(_, entry)| match entry {
        Entry::Result(result) => result,
        _ => panic!("no result"),
    };
    results.into_iter().map(result).collect()
}

#[test]
fn a_bank_is_told_by_its_rosters_tasks_and_rounds() {
    let world = story();
    let third = bank(&world, "bank-3");
    assert!(third.enrolled && third.standing.holds);
    assert_eq!((third.rosters.len(), third.rosters[0].position), (1, 3));
    assert_eq!(third.rosters[0].roster, world.consortium.roster.hash().to_hex());
    assert_eq!(third.tasks[0].name, "defaults");
    // Roster, task, and the third approval.
    assert_eq!(third.tasks[0].approved_at, Some(4));
    assert_eq!(third.turnout.in_the_sum, [1]);
    assert_eq!(third.turnout.dropped_out, [3]);
    assert_eq!(third.turnout.took_part_in_aborted, [2]);
    assert_eq!(third.turnout.undecided, [4]);
    assert_eq!((third.turnout.results, third.turnout.rate), (2, Some(0.5)));
    assert_eq!((third.acks_that_agree, third.acks), (2, 2));
    let fifth = bank(&world, "bank-5");
    assert_eq!(fifth.turnout.not_ready, [1]);
    assert_eq!(fifth.turnout.not_prepared, [4]);
    assert_eq!(fifth.turnout.in_the_sum, [3]);
    let fourth = bank(&world, "bank-4");
    assert_eq!(fourth.turnout.dropped_out, [2]);
    assert_eq!(fourth.turnout.rate, Some(1.0));
}

#[test]
fn an_acknowledgement_of_another_state_does_not_agree() {
    let mut world = story();
    world.change(|entry| match entry {
        Entry::Ack { bank, state, .. } if bank.get() == 2 => {
            state.0[0] ^= 1;
            true
        }
        _ => false,
    });
    let second = bank(&world, "bank-2");
    assert_eq!((second.acks_that_agree, second.acks), (1, 2));
    assert!(!second.standing.holds);
    assert!(
        second
            .standing
            .here
            .iter()
            .any(|failed| failed.starts_with("acks: "))
    );
    // The story's other half: what failed is not this state's.
    let last = results(&world)[1].next_state.to_hex();
    let told = state(&world, &last);
    assert!(told.standing.here.is_empty() && told.standing.elsewhere > 0 && !told.standing.holds);
}

#[test]
fn a_bank_that_left_and_a_bank_that_never_was() {
    let mut world = story();
    let banks = world.consortium.roster.banks()[..4].to_vec();
    world.entries.truncate(world.entries.len() - 2);
    world.log(&Entry::Roster {
        consortium: crate::world::NAME.to_owned(),
        banks,
    });
    let fifth = bank(&world, "bank-5");
    assert!(!fifth.enrolled);
    assert_eq!(fifth.rosters.len(), 1);
    assert_eq!(bank(&world, "bank-1").rosters.len(), 2);
    let error = world.on_disk(|_, audit| tell_bank(&audit, "bank-6").unwrap_err());
    assert!(matches!(error, AccountError::NoBank { .. }));
    assert!(
        error
            .to_string()
            .contains("bank-1, bank-2, bank-3, bank-4, bank-5"),
        "{error}"
    );
}

#[test]
fn a_state_is_told_by_its_round_its_banks_and_its_figures() {
    let world = story();
    let [statistics, train] = &results(&world)[..] else {
        panic!("two results")
    };
    let trained = state(&world, &train.next_state.to_hex());
    assert!(trained.standing.holds && trained.latest);
    let making = trained.made_by.as_ref().unwrap();
    assert_eq!(
        (making.round, making.kind, making.step, making.weight),
        (3, "train", 1, 120)
    );
    assert_eq!(making.from_state, statistics.next_state.to_hex());
    assert_eq!(making.in_the_sum, ["bank-1", "bank-2", "bank-4", "bank-5"]);
    assert_eq!(making.derived_by.len(), 5);
    assert_eq!(trained.approved_by.len(), 5);
    assert_eq!(trained.metrics, None);
    // Round 3 judged the state that it began with.
    let measured = state(&world, &statistics.next_state.to_hex());
    assert_eq!(
        measured.metrics.as_ref().unwrap().rows,
        train.metrics.as_ref().unwrap().rows
    );
    assert_eq!(trained.metrics_before, measured.metrics);
    assert!(!measured.latest);
    // The first state is made by no round.
    let first = TaskState::initial(&world.consortium.task).hash().to_hex();
    let first = state(&world, &first[..8]);
    assert_eq!((first.made_by, first.metrics_before), (None, None));
}

#[test]
fn a_task_is_told_by_its_hash() {
    let world = story();
    let hash = world.consortium.task.hash().to_hex().to_uppercase();
    let ModelAccount::Task(task) = model(&world, &hash[..12]) else {
        panic!("a state");
    };
    assert_eq!(
        (task.name.as_str(), task.offered_at, task.steps),
        ("defaults", 1, 2)
    );
    assert_eq!((task.rounds, task.aborted), (vec![1, 3], vec![2]));
    assert_eq!(task.latest_state, Some(world.state.hash().to_hex()));
    assert!(task.privacy.starts_with("no differential privacy"));
}

#[test]
fn a_hash_that_names_nothing_or_is_none_is_refused() {
    let world = story();
    let error = |hash: &str| world.on_disk(|_, audit| tell_model(&audit, hash).unwrap_err());
    for bad in ["", "1234567", "12345678g", &"0".repeat(65), "ä2345678"] {
        assert!(matches!(error(bad), AccountError::NoPrefix { .. }), "{bad}");
    }
    assert!(matches!(error("00000000"), AccountError::NoModel { .. }));
}

#[test]
fn hashes_that_begin_alike_are_listed() {
    let mut world = story();
    let task = world.consortium.task.hash();
    let mut twin = task;
    twin.0[31] ^= 1;
    world.entries.push(
        Entry::Task {
            name: "twin".to_owned(),
            task: twin,
        }
        .to_bytes(),
    );
    let error = world.on_disk(|_, audit| tell_model(&audit, &task.to_hex()[..20]).unwrap_err());
    assert!(matches!(&error, AccountError::Ambiguous { found, .. } if found.len() == 2));
    assert!(error.to_string().contains(&twin.to_hex()), "{error}");
}

#[test]
fn the_program_tells_banks_and_models_as_text_and_as_json() {
    let world = story();
    let state = world.state.hash().to_hex();
    world.on_disk(|folder, _| {
        let text = out(&with_key(&world, folder, &["show", "bank", "bank-3", "log"]));
        for line in [
            "Bank bank-3\n",
            "  dropped out   1 round: 3\n",
            "  participation 50.0 %: in the sum of 1 of 2 rounds with a result\n",
            "  derived       2 of 2 acknowledgements name the published state\n",
            "  checks        the log's own checks of what is told here pass\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
        let text = out(&with_key(&world, folder, &["show", "model", &state[..16], "log"]));
        for line in [
            "  made by       round 3, train, step 1\n",
            "  in the sum    4 banks: bank-1, bank-2, bank-4, bank-5\n",
            "  latest        yes\n",
            "  privacy       no differential privacy is applied",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
        let json = out(&with_key(
            &world,
            folder,
            &["show", "model", &state, "log", "--json"],
        ));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["is"], "state");
        assert_eq!(json["made_by"]["round"], 3);
        assert_eq!(json["standing"]["holds"], true);
        let wrong = with_key(&world, folder, &["show", "bank", "bank-9", "log"]);
        assert_eq!(wrong.status.code(), Some(2));
    });
}

#[test]
fn of_a_log_that_is_no_true_copy_nothing_is_told() {
    let world = story();
    world.on_disk(|folder, _| {
        let bundle = folder.join("log/tile/entries/000.p/60");
        let mut bytes = std::fs::read(&bundle).unwrap();
        bytes[1000] ^= 1;
        std::fs::write(&bundle, bytes).unwrap();
        for what in [
            ["show", "bank", "bank-3", "log"],
            ["show", "model", "00000000", "log"],
        ] {
            let output = with_key(&world, folder, &what);
            assert_eq!(output.status.code(), Some(1));
            assert!(out(&output).contains("the log does NOT verify"));
        }
    });
}
