//! A bank whose own policy refuses a task: everybody else hears that, in general words, and no byte of the policy leaves the bank.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use veilsum_coordinator::engine::status::{Status, TaskLine};
use veilsum_examples::demo::Programs;
use veilsum_protocol::wire::refusal::RefusalReason;

use crate::needles::Needles;
use crate::scene::{COORDINATOR, Material, PATIENCE, Scene, TAPPED};
use crate::tap::stream_in;

/// Of the task: in its text, which the coordinator has, and in nothing that a bank says.
const COLUMN: &str = "heronsalary";

const MATERIAL: Material = Material {
    schema: "version = 1\nlabel = \"late\"\n[[column]]\nname = \"heronsalary\"\ntype = \"number\"\nmin = 0\nmax = 1000000\n",
    model: "family = \"mlp\"\nhidden = [4]\n[aggregation]\nmax_weight = 64",
    table,
    trace: "info",
};

fn table(bank: usize) -> String {
    let row = |row: usize| {
        format!(
            "{},{}\n",
            1000 * bank + row * 37,
            u32::from(row.is_multiple_of(3))
        )
    };
    std::iter::once("heronsalary,late\n".to_owned())
        .chain((0..60).map(row))
        .collect()
}

/// Numbers and names that stand in the policy alone.
const OWN: [&str; 5] = ["7654321", "3456789", "2345678", "kestrelwage", "ibisdebt"];

fn limits(never: &str) -> String {
    format!(
        "[limits]\nmin_banks = 4\nnever_read = [\"kestrelwage\", \"ibisdebt\"{never}]\nmodels = [\"mlp\", \"transformer\"]\n\
         max_parameters = 7654321\nmax_upload_bytes = 3456789\nmax_rounds = 2345678\n"
    )
}

fn refused(task: &TaskLine) -> Vec<(&str, RefusalReason)> {
    let refused = task.refused.iter();
    refused.map(|by| (by.bank.as_str(), by.reason)).collect()
}

fn survivors(status: &Status) -> u16 {
    status.last_result.as_ref().map_or(0, |result| result.survivors)
}

#[test]
fn a_policy_refuses_by_itself_and_nothing_of_it_leaves_the_bank() {
    let scene = Scene::start(&MATERIAL);
    let folder = scene.consortium.bank_folder(TAPPED);
    let dir = scene.consortium.setup().dir.clone();
    let programs = Programs::beside_this_one().unwrap();
    let wait = |what: &str, wished: &dyn Fn(&Status) -> bool| {
        scene
            .consortium
            .wait_for(what, PATIENCE, |status| wished(status))
            .unwrap()
    };
    let policy = |text: &str| fs::write(folder.join("policy.toml"), text).unwrap();
    let run = |program: &std::path::Path, arguments: &[&str]| -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(&dir)
            .output()
            .unwrap()
    };
    let by_policy = [(TAPPED, RefusalReason::Columns)];

    // Tightened after the approval.
    scene.everybody_is_in();
    policy(&limits(&format!(", {COLUMN:?}")));
    wait("the refusal", &|status| refused(&status.tasks[0]) == by_policy);
    let without = wait("a sum without the bank", &|status| survivors(status) == 4);
    assert_eq!(
        without.tasks[0].approved.len(),
        5,
        "what was approved stands in the log"
    );
    scene.rounds_go_on("rounds without the bank");

    // Offered, and refused before anybody looks.
    let text = fs::read_to_string(dir.join("task.toml")).unwrap();
    fs::write(dir.join("second.toml"), text.replace("\"long\"", "\"second\"")).unwrap();
    scene.consortium.create_task("second.toml").unwrap();
    let offered = wait("the refusal of the second task", &|status| {
        status.tasks.get(1).is_some_and(|task| refused(task) == by_policy)
    });
    assert_eq!(offered.tasks[1].approved, [] as [&str; 0]);
    assert_eq!(offered.tasks[1].silent.len(), 4);
    let approve = run(
        &programs.client,
        &["task", "approve", "--yes", "--dir", TAPPED, "second"],
    );
    let told = String::from_utf8(approve.stderr).unwrap();
    assert_eq!(approve.status.code(), Some(1), "{told}");
    assert!(
        told.contains(&format!("never_read: found a task that reads {COLUMN}"))
            && told.contains("policy.toml"),
        "{told}"
    );

    // What the operator of the consortium sees.
    let mut seen = serde_json::to_vec(&offered).unwrap();
    for words in [&["status"][..], &["task", "show", "second"], &["task", "list"]] {
        let words: Vec<&str> = words.iter().copied().chain(["--dir", COORDINATOR]).collect();
        let output = run(&programs.coordinator, &words);
        let told = String::from_utf8(output.stdout).unwrap();
        if words[..2] != ["task", "list"] {
            assert!(told.contains("bank-5 refused it (for the columns)"), "{told}");
        }
        if words[0] == "status" {
            seen.extend(told.into_bytes());
        }
    }

    // Outside of its hours it sits out and says nothing.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let hour = |ahead: u64| (now / 3600 + ahead) % 24;
    policy(&(limits("") + &format!("hours = [\"{:02}:00-{:02}:00\"]\n", hour(3), hour(4))));
    wait("the refusal to be over", &|status| {
        refused(&status.tasks[0]).is_empty()
    });
    scene.rounds_go_on("rounds outside of the bank's hours");
    let resting = scene.rounds_go_on("more of them");
    assert_eq!((survivors(&resting), refused(&resting.tasks[0])), (4, Vec::new()));
    let status = run(&programs.client, &["status", "--dir", TAPPED]);
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(
        status.contains("outside of those in the policy: this bank sits rounds out until"),
        "{status}"
    );

    policy(&limits(""));
    scene.everybody_is_in();
    let spoken = scene.tap.heard();
    scene.consortium.stop();

    let mut own = Needles::default();
    for text in OWN {
        own.text(text, text);
    }
    let own = own.sharpened();
    let mut all = Needles::default();
    for text in OWN.into_iter().chain([COLUMN]) {
        all.text(text, text);
    }
    let all = all.sharpened();
    // They are in the bank's own file, so the search finds them.
    assert_eq!(
        own.found_below(&folder.join("policy.toml"), &mut 0).len(),
        OWN.len()
    );
    assert_eq!(all.found_in(&seen), BTreeSet::new(), "in the operator's status");
    let streams: Vec<Vec<u8>> = spoken.iter().map(|it| stream_in(it)).collect();
    assert!(streams.iter().map(Vec::len).max().unwrap_or(0) > 500);
    for stream in spoken.iter().chain(&streams) {
        assert_eq!(
            all.found_in(stream),
            BTreeSet::new(),
            "on the way to the coordinator"
        );
    }
    let mut bytes = 0;
    for name in [COORDINATOR, "bank-1", "bank-2", "bank-3", "bank-4"] {
        assert_eq!(
            own.found_below(&dir.join(name), &mut bytes),
            Vec::<String>::new(),
            "{name}"
        );
    }
    for name in [COORDINATOR, "bank-1", "bank-2", "bank-3", "bank-4"] {
        assert_eq!(
            own.found_below(&scene.log(name), &mut bytes),
            Vec::<String>::new(),
            "{name}"
        );
    }
    assert!(bytes > 100_000, "{bytes} bytes were looked at");
    scene.finish();
}
