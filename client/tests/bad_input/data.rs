//! The bank's table and its schema.

use std::fs;

use veilsum_client::participant::{FolderLock, Home, Status};

use crate::scene::{SCHEMA, Scene, TABLE};

/// `preflight` without its attempt to connect: it leaves that to a daemon that runs.
fn without_connection(scene: &Scene) -> FolderLock {
    fs::create_dir(scene.path("state")).unwrap();
    FolderLock::take(&scene.path("state")).unwrap()
}

#[test]
fn a_broken_table_is_told_with_its_place_before_anything_is_sent() {
    let scene = Scene::new();
    let _no_connection = without_connection(&scene);
    let table = |change: &dyn Fn(&str) -> String| change(TABLE);
    let long_line = |line: &str| TABLE.replace("2,20,south,1", line);
    for (content, parts) in [
        (
            table(&|it| it.replace(",region", ",area")),
            [
                "found no column \"region\" in the header",
                "every column of the schema",
            ],
        ),
        (
            table(&|it| it.replace("id,", "id,secret,").replace('\n', ",0\n")),
            ["\"secret\"", "which the schema does not know"],
        ),
        (
            long_line("2,much,south,1"),
            [
                "line 3, column \"income\": found \"much\"",
                "expected a number from 0 to 100",
            ],
        ),
        (
            long_line("2,NaN,south,1"),
            ["line 3, column \"income\": found \"NaN\"", "leave the cell empty"],
        ),
        (
            long_line("2,200,south,1"),
            ["line 3, column \"income\": found \"200\"", "wider range"],
        ),
        (
            long_line("2,,south,1"),
            ["line 3, column \"income\": found an empty cell", "when_missing"],
        ),
        (
            long_line("2,20,west,1"),
            ["line 3, column \"region\": found \"west\"", "one of north, south"],
        ),
        (
            long_line("2,20,south,yes"),
            [
                "line 3, column \"y\": found \"yes\"",
                "expected the label, 0 or 1",
            ],
        ),
        (
            long_line("2,20,south"),
            ["line 3: found 3 cells", "expected 4, as in the header"],
        ),
        (
            table(&|it| it.replace("south,1", "south,0")),
            ["found only the label 0 in all 3 rows", "rows of both classes"],
        ),
        (
            String::new(),
            ["data.csv: found an empty file", "a CSV file with a header"],
        ),
        (
            "id,income,region,y\n".to_owned(),
            ["a header and no row", "export the data again"],
        ),
    ] {
        scene.write("data.csv", &content);
        let mut all = vec!["data.csv: "];
        all.extend(parts);
        scene.client(&["preflight", "--no-network"]).says(2, &all);
    }
    fs::remove_file(scene.path("data.csv")).unwrap();
    scene
        .client(&["preflight", "--no-network"])
        .says(2, &["data.csv: cannot be read", "data.file in bank.toml"]);
    // It goes on to the rest.
    scene.write("data.csv", &long_line("2,much,south,1"));
    let check = scene.client(&["preflight", "--no-network"]);
    check.says(
        2,
        &[
            "FAILED data",
            "line 3, column \"income\"",
            "ok     identity",
            "ok     libtorch",
        ],
    );
    scene.nothing_was_sent();
}

/// A new key epoch needs every bank: one that stayed away with its broken table would hold up all.
#[test]
fn a_daemon_with_a_broken_table_or_schema_tells_its_operator_and_connects() {
    for (file, content, place) in [
        (
            "data.csv",
            TABLE.replace("2,20,south,1", "2,much,south,1"),
            "line 3, column \"income\": found \"much\"",
        ),
        (
            "schema.toml",
            SCHEMA.replace("max = 100", "max = -1"),
            "schema.toml: ",
        ),
    ] {
        let scene = Scene::new();
        scene.write(file, &content);
        let daemon = scene.daemon();
        let said = daemon.says("connecting to 127.0.0.1");
        for part in [
            place,
            "ITS DATA CANNOT BE USED",
            "takes part in key epochs, and sits rounds out",
            "read again at each round, and nothing has to be started again",
        ] {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
        scene.something_is_sent();
        // What it says next, it says after its status is written.
        daemon.says("no connection");
        let status = Status::read(&Home::status(&scene.path("state")))
            .unwrap()
            .unwrap();
        let problem = status.data.unwrap();
        assert!(problem.contains(place), "{problem}");
        scene
            .client(&["status"])
            .says(0, &["data       NOT USABLE", place]);
        drop(daemon);
    }
}

#[test]
fn a_broken_schema_file_is_told_by_line_or_key() {
    let scene = Scene::new();
    let _no_connection = without_connection(&scene);
    for (change, parts) in [
        (("label = \"y\"", "label = "), ["schema.toml: ", "line 2"]),
        (("max = 100", "max = -1"), ["schema.toml: ", "\"income\""]),
        (("leave_out", "left_out"), ["schema.toml: ", "left_out"]),
    ] {
        scene.write("schema.toml", &SCHEMA.replace(change.0, change.1));
        scene.client(&["preflight", "--no-network"]).says(2, &parts);
    }
    fs::remove_file(scene.path("schema.toml")).unwrap();
    scene
        .client(&["preflight", "--no-network"])
        .says(2, &["schema.toml: cannot be read", "data.schema in bank.toml"]);
    scene.nothing_was_sent();
}

#[test]
fn a_disk_without_room_for_the_rows_that_do_not_fit_memory_is_told() {
    let scene = Scene::new();
    let _no_connection = without_connection(&scene);
    let rows = (0..3000).map(|row| format!("{row},{},north,{}\n", row % 100, row % 2));
    scene.write(
        "data.csv",
        &format!("id,income,region,y\n{}", rows.collect::<String>()),
    );
    let config = scene.read("bank.toml");
    let config = config.replace("memory_bytes = 1073741824", "memory_bytes = 1000");
    scene.write("bank.toml", &config);
    // 3000 rows of a number and a category are 18 kB.
    scene.client_with_room(8, &["preflight", "--no-network"]).says(
        2,
        &[
            "FAILED data",
            "state: the rows beyond data.memory_bytes cannot be written",
            "ulimit -f",
        ],
    );
    let check = scene.client(&["preflight", "--no-network"]);
    assert!(check.stdout.contains("ok     data"), "{}", check.stdout);
    assert!(check.stdout.contains("3000 rows"), "{}", check.stdout);
    let left: Vec<_> = fs::read_dir(scene.path("state")).unwrap().flatten().collect();
    let rows = left
        .iter()
        .find(|file| file.file_name().to_string_lossy().starts_with("rows."));
    assert!(rows.is_none(), "{left:?}");
    scene.nothing_was_sent();
}
