//! What looking for identifiers costs while a table is read, beside reading its text alone: `cargo bench -p veilsum-client --bench desensitise`.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use veilsum_client::data::{Dataset, HoldOut};
use veilsum_client::desensitise::{Policy, Rules};
use veilsum_protocol::task::Schema;

const ROWS: u32 = 300_000;

/// Runs of each, of which the fastest counts.
const RUNS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    fs::write(&path, table()).unwrap();
    let schema = Schema::parse(&schema()).unwrap();
    let text = fastest(|| only_text(&path));
    let read = |rules: &Rules| {
        fastest(|| {
            let rows = Dataset::read(&path, &schema, &HoldOut::new([1; 32], 0.2), rules);
            assert_eq!(rows.ok().unwrap().len(), 300_000);
        })
    };
    // No cell of a column that is allowed is looked at.
    let columns = schema.columns.iter().map(|column| column.name.as_str());
    let allowed: String = columns
        .chain([schema.label.as_str()])
        .map(|name| format!("[[column]]\nname = {name:?}\nrule = \"allow\"\nreason = \"made up\"\n"))
        .collect();
    let allowed = Policy::parse(Path::new("policy.toml"), &allowed).unwrap();
    let unlooked = read(&Rules::new("policy.toml".into(), allowed, None));
    let looked = read(&Rules::none());
    println!(
        "{ROWS} rows of 12 columns: the text alone 1, read by the schema {:.2}, with a look at every cell {:.2} ({:.2} times reading)",
        unlooked / text,
        looked / text,
        looked / unlooked
    );
}

fn fastest(mut run: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    (0..RUNS).map(time).fold(f64::INFINITY, f64::min)
}

fn only_text(path: &Path) {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(File::open(path).unwrap());
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).unwrap() {
        std::hint::black_box(&record);
    }
}

/// As a bank's loans: fractions, whole numbers of two to six digits, words.
fn table() -> String {
    let mut text = "a,b,c,d,e,f,g,h,home,region,purpose,y\n".to_owned();
    let mut state = 1_u64;
    let mut below = |most: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    for _ in 0..ROWS {
        for _ in 0..4 {
            write!(text, "{}.{:02},", below(100_000), below(100)).unwrap();
        }
        write!(
            text,
            "{},{},{},{},",
            below(100),
            below(100),
            below(1_000),
            below(1_000_000)
        )
        .unwrap();
        let words = [
            ["own", "rent", "mortgage"][below(3) as usize],
            ["North", "South", "Coast"][below(3) as usize],
            ["car", "home improvement", "Education"][below(3) as usize],
        ];
        writeln!(text, "{},{}", words.join(","), below(2)).unwrap();
    }
    text
}

fn schema() -> String {
    let mut text = "version = 1\nlabel = \"y\"\n".to_owned();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        write!(
            text,
            "[[column]]\nname = \"{name}\"\ntype = \"number\"\nmin = 0\nmax = 1e6\n"
        )
        .unwrap();
    }
    for (name, values) in [
        ("home", "\"own\", \"rent\", \"mortgage\""),
        ("region", "\"North\", \"South\", \"Coast\""),
        ("purpose", "\"car\", \"home improvement\", \"Education\""),
    ] {
        write!(
            text,
            "[[column]]\nname = \"{name}\"\ntype = \"category\"\nvalues = [{values}]\n"
        )
        .unwrap();
    }
    text
}
