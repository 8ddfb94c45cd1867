#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use veilsum_protocol::model::{InputShape, Moments};
use veilsum_protocol::task::Schema;

use super::{Dataset, EncodedData, HoldOut};
use crate::desensitise::{Policy, Rules};

const SCHEMA: &str = "version = 1\nlabel = \"about\"\nlabel_classes = [\"card\", \"fee\", \"app\"]\nmissing = [\"\", \"NA\"]\nleave_out = [\"id\"]\n\
                      [[column]]\nname = \"message\"\ntype = \"text\"\ntokens = 4\nvocabulary = [\"card\", \"lost\", \"my\"]\n";

fn read(text: &str, schema: &str, policy: &str) -> Result<Dataset, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    fs::write(&path, text).unwrap();
    let policy = Policy::parse(Path::new("policy.toml"), policy).unwrap();
    let rules = Rules::new("policy.toml".into(), policy, None);
    let schema = Schema::parse(schema).unwrap();
    Dataset::read(&path, &schema, &HoldOut::new([0; 32], 0.0), &rules).map_err(|error| error.to_string())
}

fn encoded(rows: &Dataset) -> EncodedData {
    rows.encode(&Moments {
        mean: Vec::new(),
        std: Vec::new(),
    })
    .unwrap()
}

#[test]
fn texts_become_tokens_with_breaks_quotes_and_missing_ones() {
    let table = "about,id,message\nfee,1,\"My card,\n\"\"lost\"\"\r\n!\"\ncard,2,NA\napp,3,\ncard,4,what a lost card it is\n";
    let rows = read(table, SCHEMA, "").unwrap();
    let found = encoded(&rows);
    #[rustfmt::skip]
    let tokens = [
        4.0, 2.0, 3.0, 0.0,
        0.0, 0.0, 0.0, 0.0,
        0.0, 0.0, 0.0, 0.0,
        1.0, 1.0, 3.0, 2.0,
    ];
    assert_eq!(found.all_inputs().unwrap(), tokens);
    assert_eq!(*found.labels, [1.0, 0.0, 2.0, 0.0]);
    let shape = InputShape::Text {
        tokens: 4,
        vocabulary: 5,
    };
    assert_eq!(found.shape, shape);
    assert!(rows.statistics().unwrap().columns.is_empty());
    let error = read("about,id,message\nfee,1,\"a\nb\"\nfees,2,c\n", SCHEMA, "")
        .err()
        .unwrap();
    assert!(
        error.contains("line 4, column \"about\": found \"fees\", expected one of card, fee, app"),
        "{error}"
    );
}

/// By hand: byte `b` is `1 + b`, the merge at place `i` is `257 + i`. Blanks at a text's ends are cut off, as of any cell; those within count.
#[test]
fn texts_become_byte_pairs() {
    let schema = SCHEMA.replace(
        "tokens = 4\nvocabulary = [\"card\", \"lost\", \"my\"]",
        "tokens = 6\nmerges = [\"Ġ c\", \"a r\", \"Ġc ar\", \"å į\", \"åį ¡\"]",
    );
    let table = "about,id,message\nfee,1,\" My card\n\"\ncard,2,NA\napp,3,卡!\ncard,4,a\n";
    let rows = read(table, &schema, "").unwrap();
    let found = encoded(&rows);
    #[rustfmt::skip]
    let tokens = [
        1 + 77, 1 + 121, 259, 1 + 100, 0, 0,
        0, 0, 0, 0, 0, 0,
        261, 1 + 33, 0, 0, 0, 0,
        1 + 97, 0, 0, 0, 0, 0,
    ];
    assert_eq!(found.all_inputs().unwrap(), tokens.map(|token| token as f32));
    let shape = InputShape::Text {
        tokens: 6,
        vocabulary: 262,
    };
    assert_eq!(found.shape, shape);
}

#[test]
fn many_buckets_take_four_bytes_a_token() {
    let schema = |buckets: u32| {
        format!(
            "version = 1\nlabel = \"y\"\n[[column]]\nname = \"t\"\ntype = \"text\"\ntokens = 2\nbuckets = {buckets}\n"
        )
    };
    let table = "t,y\na,0\nb,1\n";
    for (buckets, bytes) in [(65_535, 2), (65_536, 4)] {
        let rows = read(table, &schema(buckets), "").unwrap();
        assert_eq!(rows.rows().width(), 2 * bytes, "{buckets}");
        let inputs = encoded(&rows).all_inputs().unwrap();
        let within = |token: &f32| token.fract() == 0.0 && *token <= buckets as f32;
        assert!(inputs.iter().all(within) && inputs[0] != inputs[2], "{inputs:?}");
    }
}

/// Card numbers that networks publish for tests, and addresses that nobody has.
#[test]
fn texts_with_identifiers_are_refused_until_the_policy_masks_or_allows_them() {
    let table = |identifier: &str| {
        let rows =
            (0..30).map(|row| format!("card,{row},please look at {identifier} for me\nfee,{row},thanks\n"));
        format!("about,id,message\n{}", rows.collect::<String>())
    };
    let cards = table("4111 1111 1111 1111");
    let mails = table("ann.lee@bank.example");
    for (table, kind) in [(&cards, "payment card numbers"), (&mails, "mail addresses")] {
        let error = read(table, SCHEMA, "").err().unwrap();
        assert!(
            error.contains(&format!("column \"message\": found {kind} in 50.0 % of 60 cells")),
            "{error}"
        );
        assert!(!error.contains("4111") && !error.contains("ann.lee"), "{error}");
        let allowed = "[[column]]\nname = \"message\"\nrule = \"allow\"\nreason = \"made up for a test\"\n";
        assert_eq!(read(table, SCHEMA, allowed).unwrap().len(), 60);
    }
    // What is masked is the word "card" to the model, and the digits are gone.
    let schema = SCHEMA.replace("tokens = 4", "tokens = 8");
    let mask = "[[column]]\nname = \"message\"\nrule = \"mask\"\n";
    let masked = encoded(&read(&cards, &schema, mask).unwrap());
    assert_eq!(
        masked.all_inputs().unwrap()[..8],
        [1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 0.0, 0.0]
    );
}
