//! Bytes of a bank that would be known anywhere: in its table, its keys, its open rounds. They are looked for in all that others can read
//! after rounds, a kill, a table that is refused, and with every daemon telling all that it can.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use veilsum_client::participant::Status;
use veilsum_examples::demo::Programs;

use crate::dumps;
use crate::needles::Needles;
use crate::scene::{COORDINATOR, Material, PATIENCE, Scene, TAPPED};
use crate::secrets::{self, Watch};
use crate::tap::stream_in;

const MATERIAL: Material = Material {
    schema: "version = 1\nlabel = \"late\"\nleave_out = [\"remark\"]\n\
             [[column]]\nname = \"income\"\ntype = \"number\"\nmin = 0\nmax = 1000000\n\
             [[column]]\nname = \"region\"\ntype = \"category\"\nvalues = [\"north\"]\nother = \"bucket\"\n",
    // Few rows weigh nearly as much as they may, so digits are spread widely.
    model: "family = \"mlp\"\nhidden = [8]\n[aggregation]\nmax_weight = 64",
    table,
    trace: "trace",
};

const ROWS: usize = 60;
const BAD_CELL: &str = "kestrel-4471-is-no-number";

/// The tapped bank's rows: a number, a category that no schema has, and a remark that is never read. A category of which no two rows had the
/// same would be refused as a key.
fn row(row: usize) -> (String, String, String) {
    let income = format!(
        "{}.{:06}",
        400_000 + row * 7919 % 500_000,
        127_843 + row * 104_729 % 800_000
    );
    (
        income,
        format!("quetzal-{}-plume", row % 30),
        format!("ocelot-{row}-whisker"),
    )
}

fn table(bank: usize) -> String {
    let rows = (0..ROWS).map(|number| {
        let late = u32::from(number % 3 == 0);
        if bank == 5 {
            let (income, region, remark) = row(number);
            return format!("{income},{region},{remark},{late}\n");
        }
        format!("{},north,none,{late}\n", 1000 + number * 37)
    });
    std::iter::once("income,region,remark,late\n".to_owned())
        .chain(rows)
        .collect()
}

/// The bank's own report on its table, once it has one or has none any more.
fn report(scene: &Scene, wished: fn(&Option<String>) -> bool) -> Status {
    let path = scene.consortium.bank_folder(TAPPED).join("state/status.json");
    let until = Instant::now() + PATIENCE;
    loop {
        if let Ok(Some(status)) = Status::read(&path)
            && Some(status.process) == scene.consortium.pid(TAPPED)
            && wished(&status.data)
        {
            return status;
        }
        assert!(Instant::now() < until, "the bank says nothing of its table");
        thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn nothing_of_a_bank_is_anywhere_else() {
    let scene = Scene::start(&MATERIAL);
    let folder = scene.consortium.bank_folder(TAPPED);
    let dir = scene.consortium.setup().dir.clone();
    let watch = Watch::start(folder.join("state"));
    scene.rounds_go_on("rounds that are watched");

    // In the middle of a round, and with a table that cannot be used.
    scene.consortium.kill(TAPPED);
    let good = fs::read_to_string(folder.join("data.csv")).unwrap();
    let (income, ..) = row(7);
    fs::write(folder.join("data.csv"), good.replacen(&income, BAD_CELL, 1)).unwrap();
    scene.start_bank(TAPPED);
    let told = report(&scene, Option::is_some);
    assert!(told.data.is_some_and(|text| text.contains(BAD_CELL)));
    let mode = fs::metadata(folder.join("state/status.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(
        mode & 0o777,
        0o600,
        "what is wrong with a table is the bank's own"
    );
    let client = Programs::beside_this_one().unwrap().client;
    for command in [
        &["preflight"][..],
        &["status"],
        &["task", "list"],
        &["task", "show", "long"],
    ] {
        let output = Command::new(&client)
            .args(command)
            .args(["--dir", TAPPED, "--json"])
            .env("VEILSUM_TRACE", "trace")
            .current_dir(&dir)
            .output()
            .unwrap();
        fs::write(
            dir.join("logs")
                .join(format!("{TAPPED}-{}.log", command.join("-"))),
            [output.stdout, output.stderr].concat(),
        )
        .unwrap();
    }
    scene.rounds_go_on("rounds without the bank");
    fs::write(folder.join("data.csv"), &good).unwrap();
    report(&scene, Option::is_none);
    scene.everybody_is_in();
    let asked = serde_json::to_vec(&scene.consortium.status().unwrap().unwrap()).unwrap();
    let spoken = scene.tap.heard();
    let seen = watch.end();
    assert!(seen.pair_keys.len() >= 8, "{seen:?}");
    assert!(
        seen.round_keys.len() >= 3 * 9,
        "{} secrets of rounds",
        seen.round_keys.len()
    );
    assert!(seen.digits.len() >= 3, "{} runs of digits", seen.digits.len());
    // The tapped bank, by TCP, has nothing to tell at that level; others have QUIC, whose library has much.
    for name in [COORDINATOR, "bank-1"] {
        let told = fs::read_to_string(scene.log(name)).unwrap();
        assert!(told.contains("TRACE"), "{name} does not tell all that it can");
    }
    dumps::are_not_left(&scene);
    scene.consortium.stop();

    let mut needles = Needles::default();
    secrets::of_identity(&mut needles, &folder);
    for number in 0..ROWS {
        let (income, region, remark) = row(number);
        needles.number("income", &income);
        needles.text("region", &region);
        needles.text("remark", &remark);
    }
    seen.put_into(&mut needles);
    needles.text("bad cell", BAD_CELL);
    let search = needles.sharpened();

    // They are where they belong, so the search finds them.
    let own = search.found_below(&folder, &mut 0);
    for (name, file) in [
        ("income", "data.csv"),
        ("region", "data.csv"),
        ("remark", "data.csv"),
        ("TLS key", "tls.key.pem"),
        ("signing key", "signing.key.pem"),
        ("hold-out salt", "hold-out.salt"),
        ("desensitise key", "desensitise.key"),
        ("secret with bank-1", "participant.state"),
    ] {
        let is_there = |found: &String| found.starts_with(name) && found.ends_with(file);
        assert!(own.iter().any(is_there), "no {name} in {file}: {own:?}");
    }
    // And nowhere else in the bank's own folder.
    let secret = [
        "data.csv",
        "tls.key.pem",
        "signing.key.pem",
        "hold-out.salt",
        "desensitise.key",
        "participant.state",
        // What is left where a bank was stopped in the middle of a write; the next start ends the overwriting.
        "participant.state.new",
        "participant.state.old",
        ".digits",
    ];
    let elsewhere: Vec<_> = own
        .iter()
        .filter(|found| !secret.iter().any(|file| found.ends_with(file)))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");

    let mut bytes = 0;
    let mut found = Vec::new();
    for name in [
        COORDINATOR,
        "bank-1",
        "bank-2",
        "bank-3",
        "bank-4",
        "logs",
        "task.toml",
    ] {
        found.extend(search.found_below(&dir.join(name), &mut bytes));
    }
    // A pair of banks shares the keys of the pair, and no third has them.
    let shared = |found: &String| {
        (1..=4).any(|peer| {
            let (name, file) = (
                secrets::with(peer),
                format!("/bank-{peer}/state/participant.state"),
            );
            let place = found.strip_prefix(&format!("{name} in "));
            place.is_some_and(|place| place.strip_suffix(".new").unwrap_or(place).ends_with(&file))
        })
    };
    found.retain(|found| !shared(found));
    // The bank's own terminal names the cell that cannot be used: see `docs/threat-model.md`.
    let (terminal, found): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|found| found.starts_with("bad cell in ") && found.contains(&format!("/logs/{TAPPED}")));
    assert!(!terminal.is_empty());
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(
        search.found_in(&asked),
        BTreeSet::new(),
        "in the operator's status"
    );

    // What went to the coordinator, with the records around it and without.
    let streams: Vec<Vec<u8>> = spoken.iter().map(|it| stream_in(it)).collect();
    let uploaded = streams.iter().map(Vec::len).max().unwrap_or(0);
    assert!(
        spoken.len() > 3 && uploaded > 500,
        "{} connections, {uploaded} bytes",
        spoken.len()
    );
    for stream in spoken.iter().chain(&streams) {
        bytes += stream.len() as u64;
        assert_eq!(
            search.found_in(stream),
            BTreeSet::new(),
            "on the way to the coordinator"
        );
    }
    println!(
        "{} forms of {} secrets of rounds and {} runs of digits; none in {} MiB",
        needles.number_of_forms(),
        seen.round_keys.len(),
        seen.digits.len(),
        bytes >> 20
    );
    scene.finish();
}
