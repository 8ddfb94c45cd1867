//! What a card says where there is something to say, and who may read the file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use veilsum_onnx::Answer;
use veilsum_protocol::model::Moments;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical as _;

use super::super::card::Card;
use super::super::facts::Facts;
use super::super::folder::OutFolder;
use super::super::{Format, page, write_model};
use crate::desensitise::Rules;
use crate::participant::{Importance, Judged, RoundSeen};
use crate::scoring::{ProvenanceError, Scorer};
use crate::serving::Found;
use crate::train::{DeviceChoice, Runtime};

const TASK: &str = r#"
    name = "credit"
    rounds = 4
    seed = 3
    [schema]
    version = 2
    label = "late"
    leave_out = ["gender"]
    column = [
        { name = "income", type = "number", min = 0, max = 99, when_missing = "mean" },
        { name = "home", type = "category", values = ["own", "r|ent"], other = "bucket" },
    ]
    [model]
    family = "mlp"
    hidden = [4]
    embedding = 2
    [training]
    optimiser = "sgd"
    learning_rate = 0.1
    batch_size = 1
    local_epochs = 1
    personal = ["output"]
    [evaluation]
    bins = 10
    [evaluation.groups]
    column = "gender"
    values = ["f", "m"]
    threshold = 0.5
    favourable = 0
"#;

struct Made {
    found: Found,
    state: TaskState,
    scorer: Scorer,
}

/// A model after three steps (moments and two rounds of training), with this bank's output layer.
fn made() -> Made {
    let task = Task::parse(TASK).unwrap();
    let mut state = TaskState::initial(&task);
    state.step = 3;
    state.moments = Some(Moments {
        mean: vec![0.5],
        std: vec![0.2],
    });
    let personal = vec![0.25; task.manifest().total() - task.shared().len()];
    let runtime = Runtime::start(DeviceChoice::Cpu, 1).unwrap();
    let scorer = Scorer::new(&task, &state, Some(&personal), Rules::none(), runtime).unwrap();
    let found = Found {
        step: state.step,
        state: state.hash(),
        proven: Err(Arc::new(ProvenanceError::NoReceipt {
            folder: "/a/place/of/the/bank".into(),
            state: state.hash(),
        })),
        task,
    };
    Made { found, state, scorer }
}

fn round(made: &Made, step: u32, kind: &str, survivors: u16) -> RoundSeen {
    RoundSeen {
        round: u64::from(step) + 10,
        task: made.found.task.hash().to_hex(),
        step: Some(step),
        kind: kind.to_owned(),
        survivors: Some(survivors),
        all: Some(Judged {
            rows: 100 * u64::from(step),
            figures: [("auc".to_owned(), 0.75)].into(),
        }),
        ..RoundSeen::default()
    }
}

fn card(made: &Made) -> Card {
    let rounds = [
        round(made, 1, "statistics", 9),
        round(made, 2, "train", 3),
        RoundSeen {
            importance: Some(Importance {
                rows: 40,
                columns: [("income".to_owned(), 0.125), ("home".to_owned(), 0.5)].into(),
            }),
            ..round(made, 3, "train", 4)
        },
        round(made, 4, "train", 7),
    ];
    let facts = Facts {
        found: &made.found,
        state: &made.state,
        scorer: &made.scorer,
        answer: Answer::Probability,
        reason: Some("an exercise".to_owned()),
        rounds: &rounds,
        thresholds: Thresholds::with_most_colluders(7).unwrap(),
        file: ["model.onnx", "onnx", "00"].map(str::to_owned),
        receipt: None,
    };
    facts.card()
}

#[test]
fn a_card_has_the_facts_and_says_what_is_not_known() {
    let card = card(&made());
    assert_eq!(
        (card.model.version.as_str(), card.model.holds_personal),
        ("step-3", true)
    );
    assert_eq!(
        card.proof.problem.as_deref(),
        Some("the bank has no receipt of a result that led to this state")
    );
    // Of the rounds that went into it; the fourth step came later, the first trained nothing.
    let training = &card.training;
    assert_eq!(
        (training.rounds, training.rounds_planned, training.rounds_seen),
        (2, 4, 2)
    );
    assert_eq!(
        (training.least_banks_in_sum, training.most_banks_in_sum),
        (Some(3), Some(4))
    );
    assert_eq!(training.banks_in_proven_sum, None);
    // Seven banks: two may collude, so (7 + 2) / 2 + 1 = 5 must agree.
    let privacy = &card.privacy;
    assert_eq!(
        (privacy.colluders, privacy.threshold, privacy.min_banks_in_sum),
        (2, 5, 5)
    );
    assert_eq!(
        (privacy.differential_privacy.as_str(), privacy.epsilon),
        ("none", None)
    );
    let metrics = card.metrics.as_ref().unwrap();
    assert_eq!(
        (metrics.of.as_str(), metrics.rows),
        ("the model before the last round", 300)
    );
    assert_eq!(
        (metrics.source.as_str(), metrics.proven),
        ("this bank's record of round 13", false)
    );
    assert_eq!((card.fairness.measured, card.fairness.groups.len()), (false, 2));
    assert_eq!(
        card.interface.numbers,
        ["income", "income is missing", "home: 0 own, 1 r|ent, 2 another"]
    );
    assert_eq!(card.interface.input.shape, ["rows", "3"]);

    let page = page::markdown(&card);
    for part in [
        "**NOT PROVEN**",
        "policy says: an exercise",
        "**Holds this bank's own parameters** (output)",
        "this one has not been judged",
        "3 to 4 in the 2 of these rounds",
        "| AUC | 0.7500 |",
        "over 40 held-out rows of all banks in the sum (probability). Source: this bank's record of round 13.",
        "| home | 0.5000 |\n| income | 0.1250 |",
        "r\\|ent",
        "Never given to the model: gender",
        "No differential privacy is applied",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("/a/place"), "{page}");
    let text = serde_json::to_string(&card).unwrap();
    assert_eq!(serde_json::from_str::<Card>(&text).unwrap(), card);
}

#[test]
fn a_file_with_the_banks_own_parameters_is_for_its_owner_alone() {
    let made = made();
    let scratch = tempfile::tempdir().unwrap();
    for format in Format::ALL {
        let place = scratch.path().join(format.name());
        let mut folder = OutFolder::of(&place, "credit").unwrap();
        let hash = write_model(
            &mut folder,
            format,
            &made.found,
            &made.scorer,
            &made.state,
            &Answer::Probability,
        );
        let path = place.join(format.file());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{format:?}");
        assert_eq!(
            hash.unwrap(),
            veilsum_protocol::ids::Digest::of(&fs::read(path).unwrap())
        );
        // The card comes last, and what an earlier export left goes with it.
        fs::write(place.join("model.pt.new"), "left behind").unwrap();
        let card = serde_json::to_vec(&card(&made)).unwrap();
        assert_eq!(folder.finish(&card).unwrap(), [format.file(), "card.json"]);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 2);
        assert!(OutFolder::of(&place, "credit").is_ok());
        let other = OutFolder::of(&place, "fraud").err().unwrap().to_string();
        assert!(other.contains("found an export of credit, expected"), "{other}");
    }
}
