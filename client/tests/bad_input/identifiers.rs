//! Columns that look like identifiers, and the bank's policy on them.

use std::fs;

use veilsum_client::participant::{FolderLock, Home, Status};

use crate::scene::Scene;

const SCHEMA: &str = r#"version = 1
label = "y"
leave_out = ["note"]
[[column]]
name = "income"
type = "number"
min = 0
max = 100
[[column]]
name = "paid_with"
type = "category"
values = ["cash"]
other = "bucket"
"#;

/// Numbers that card networks publish for tests.
const CARDS: [&str; 4] = [
    "4111111111111111",
    "5555555555554444",
    "378282246310005",
    "6011111111111117",
];

fn scene() -> (Scene, FolderLock) {
    let scene = Scene::new();
    scene.write("schema.toml", SCHEMA);
    let row = |row: usize| {
        format!(
            "{},{},mail ann{row}@bank.example,{}\n",
            row % 100,
            CARDS[row % 4],
            u8::from(row.is_multiple_of(3))
        )
    };
    let rows: String = (0..40).map(row).collect();
    scene.write("data.csv", &format!("income,paid_with,note,y\n{rows}"));
    // As beside a daemon that runs.
    fs::create_dir(scene.path("state")).unwrap();
    let lock = FolderLock::take(&scene.path("state")).unwrap();
    (scene, lock)
}

fn policy(rule: &str) -> String {
    format!("[[column]]\nname = \"paid_with\"\n{rule}\n")
}

#[test]
fn a_column_of_card_numbers_is_refused_until_the_policy_says_what_to_do() {
    let (scene, _lock) = scene();
    let refused = scene.client(&["preflight", "--no-network"]);
    refused.says(
        2,
        &[
            "FAILED data",
            "data.csv: column \"paid_with\": found payment card numbers in 100.0 % of 40 cells, of the shape \"################\"",
            "expected no column that points to a person",
            "rule = \"allow\" with the reason",
            "of those read, \"paid_with\" must not be as it is",
        ],
    );
    for card in CARDS {
        assert!(!format!("{}{}", refused.stdout, refused.stderr).contains(card));
    }
    for rule in [
        "rule = \"hash\"",
        "rule = \"mask\"",
        "rule = \"generalise\"\nkeep = 6",
        "rule = \"allow\"\nreason = \"numbers for tests, which no one has\"",
    ] {
        scene.write("policy.toml", &policy(rule));
        let taken = scene.client(&["preflight", "--no-network"]);
        assert!(taken.stdout.contains("ok     data"), "{rule}: {}", taken.stdout);
        assert!(taken.stdout.contains("ok     policy"), "{rule}: {}", taken.stdout);
    }
    scene.nothing_was_sent();
}

#[test]
fn a_policy_with_a_mistake_is_told_and_nothing_is_read() {
    let (scene, _lock) = scene();
    for (text, parts) in [
        (
            policy("rule = \"allow\""),
            ["policy.toml: column \"paid_with\"", "without a reason"],
        ),
        (policy("rule = \"hush\""), ["policy.toml: ", "line 3"]),
        (
            policy("rule = \"drop\""),
            [
                "found rule \"drop\" for column \"paid_with\"",
                "as the schema says",
            ],
        ),
        (
            policy("rule = \"hash\"").replace("paid_with", "paidwith"),
            ["found a rule for column \"paidwith\"", "the table does not have"],
        ),
        (
            policy("rule = \"bin\"\nedges = [0, 1]").replace("paid_with", "note"),
            [
                "line 2, column \"note\": found a cell of the shape \"xxxx xxx#@xxxx.xxxxxxx\"",
                "a number",
            ],
        ),
    ] {
        scene.write("policy.toml", &text);
        scene.client(&["preflight", "--no-network"]).says(2, &parts);
    }
    // A cell that does not fit is told without what identifies.
    scene.write("policy.toml", "");
    let two = SCHEMA
        .replace("other = \"bucket\"\n", "")
        .replace("[\"cash\"]", "[\"cash\", \"transfer\"]");
    scene.write("schema.toml", &two);
    scene.client(&["preflight", "--no-network"]).says(
        2,
        &["line 2, column \"paid_with\": found \"[card]\", expected one of cash, transfer"],
    );
    // No schema, and so no task, has a word for it.
    scene.write("policy.toml", "");
    scene.write("schema.toml", &format!("policy = \"none\"\n{SCHEMA}"));
    scene
        .client(&["preflight", "--no-network"])
        .says(2, &["schema.toml: ", "policy"]);
    scene.write("schema.toml", SCHEMA);
    // `bank.toml` names the file.
    fs::remove_file(scene.path("policy.toml")).unwrap();
    scene.client(&["preflight", "--no-network"]).says(
        2,
        &["policy.toml: is not there, though data.policy in bank.toml names it"],
    );
    scene.write("policy.toml", &policy("rule = \"hash\""));
    fs::remove_file(scene.path("identity/desensitise.key")).unwrap();
    scene.client(&["preflight", "--no-network"]).says(
        2,
        &["need the key", "identity/desensitise.key", "openssl rand -hex 32"],
    );
    scene.nothing_was_sent();
}

#[test]
fn data_check_shows_each_column_by_its_shape_alone() {
    let (scene, _lock) = scene();
    let check = |scene: &Scene| scene.client(&["data", "check"]);
    let found = check(&scene);
    found.says(
        2,
        &[
            "data.csv, 40 rows, 4 columns",
            "REFUSED   paid_with  payment card numbers in 100.0 % (################); looks like payment card numbers",
            "not read  note       mail addresses in 100.0 % (xxxx xxx#@xxxx.xxxxxxx)",
            "ok        income     nothing found",
        ],
    );
    assert!(!found.stdout.contains("bank.example") && !found.stdout.contains(CARDS[0]));
    scene.write(
        "policy.toml",
        &(policy("rule = \"hash\"")
            + "[[column]]\nname = \"income\"\nrule = \"bin\"\nedges = [0, 20, 40]\n[anonymity]\nquasi_identifiers = [\"income\"]\nsensitive = \"y\"\nk = 5\nl = 2\n"),
    );
    check(&scene).says(
        0,
        &[
            "2 rules",
            "ok        paid_with  payment card numbers in 100.0 % (################); rule: a pseudonym under the bank's key",
            "ok        income     nothing found, 100.0 % of the cells differ; rule: one of 2 bins",
            "by income: 40 rows in 2 groups",
            "ok       k   smallest group 20, wanted 5; 0 rows in 0 groups below it",
            "ok       l   fewest values of \"y\" in a group 2",
        ],
    );
    let strict = scene.read("policy.toml").replace("k = 5", "k = 30");
    scene.write("policy.toml", &strict);
    check(&scene).says(
        1,
        &["TOO FEW  k   smallest group 20, wanted 30; 40 rows in 2 groups below it"],
    );
    scene
        .client(&["preflight", "--no-network"])
        .says(1, &["FAILED anonymity", "has 20, wanted 30"]);
    let json: serde_json::Value =
        serde_json::from_str(&scene.client(&["data", "check", "--json"]).stdout).unwrap();
    assert_eq!(json["rows"], 40);
    assert_eq!(json["columns"][1]["found"][0]["kind"], "card");
    assert_eq!(json["columns"][1]["rule"], "hash");
    assert_eq!(json["columns"][1]["verdict"], "read");
    assert_eq!(json["anonymity"]["smallest_group"], 20);
    scene.nothing_was_sent();
}

#[test]
fn a_daemon_tells_its_operator_by_shape_and_sits_rounds_out() {
    let (scene, lock) = scene();
    drop(lock);
    let daemon = scene.daemon();
    let said = daemon.says("no connection");
    assert!(
        said.contains("ITS DATA CANNOT BE USED") && said.contains("payment card numbers"),
        "{said}"
    );
    let status = Status::read(&Home::status(&scene.path("state")))
        .unwrap()
        .unwrap();
    let problem = status.data.unwrap();
    assert!(problem.contains("column \"paid_with\""), "{problem}");
    for card in CARDS {
        assert!(!said.contains(card) && !problem.contains(card));
    }
}
