//! Column by column against row by row.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use proptest::prelude::*;
use veilsum_protocol::task::{Schema, Split, Task};

use super::*;
use crate::desensitise::{Policy, Rules};

const CELLS: &str = r#"
    version = 1
    label = "y"
    leave_out = ["id", "g"]
    missing = ["", "NA", "-9"]
    [[column]]
    name = "income"
    type = "number"
    min = 0
    max = 1000
    scale = "log"
    when_missing = "mean"
    [[column]]
    name = "debt"
    type = "number"
    min = -50
    max = 50.5
    outside = "clip"
    when_missing = "mean"
    [[column]]
    name = "age"
    type = "integer"
    min = 0
    max = 99
    [[column]]
    name = "job"
    type = "category"
    values = ["clerk", "nurse"]
    other = "bucket"
    [[column]]
    name = "day"
    type = "date"
    min = "2020-01-01"
    max = "2030-01-01"
    cycles = ["month"]
    when_missing = "mean"
"#;

const COLUMNS: [&str; 8] = ["id", "g", "income", "debt", "age", "job", "day", "y"];

/// How a table is read: the schema, the hold-out, the groups' column and the bank's rules.
#[derive(Clone, Copy, Debug)]
struct Way {
    schema: &'static str,
    split: u8,
    grouped: bool,
    policy: &'static str,
}

fn ways() -> impl Strategy<Value = Way> {
    let sequence = "[sequence]\nkey = \"id\"\ntime = \"g\"\nsteps = 2\n";
    let numbers_missing: &'static str = Box::leak(CELLS.replace("\"-9\"", "\"none\"").into_boxed_str());
    let series = CELLS.replace("leave_out = [\"id\", \"g\"]\n", "").replacen(
        "    [[column]]",
        &format!("{sequence}[[column]]"),
        1,
    );
    let series: &'static str = Box::leak(series.into_boxed_str());
    let of_number = CELLS.replace(
        "label = \"y\"",
        "label = \"y\"\nlabel_number = { min = 0, max = 1 }",
    );
    let of_number: &'static str = Box::leak(of_number.into_boxed_str());
    let schemas = [CELLS, numbers_missing, series, of_number];
    let schemas: Vec<_> = schemas
        .into_iter()
        .filter(|text| Schema::parse(text).is_ok())
        .collect();
    assert!(
        schemas.len() >= 3,
        "{:?}",
        Schema::parse(series).err().or(Schema::parse(of_number).err())
    );
    let policies = [
        "",
        "[[column]]\nname = \"age\"\nrule = \"generalise\"\nkeep = 1\n[[column]]\nname = \"job\"\nrule = \"mask\"",
        "[[column]]\nname = \"income\"\nrule = \"allow\"\nreason = \"made up\"",
    ];
    (
        prop::sample::select(schemas),
        0_u8..4,
        any::<bool>(),
        prop::sample::select(policies.to_vec()),
    )
        .prop_map(|(schema, split, grouped, policy)| Way {
            schema,
            split,
            grouped,
            policy,
        })
}

/// A cell of each column: mostly as the schema wants it.
fn row() -> impl Strategy<Value = Vec<String>> {
    let text = |good: &'static str, odd: &'static str| {
        (good, prop_oneof![60 => Just(""), 1 => Just("odd")], odd)
            .prop_map(|(good, which, odd)| if which.is_empty() { good } else { odd })
    };
    (
        text("[1-3]", "NA"),
        text("[0-9]|2024-01-0[1-9]", "|x"),
        text("[0-9]{1,2}(\\.[0-9]{1,2})?|NA| [0-9] |-9|4e1", "-1|x|1001|-|\\."),
        text("-?[0-9]{1,2}(\\.[0-9]{1,12})?|-?99", "inf|[0-9]{1,17}x"),
        text("[0-9]|[1-9][0-9]|7\\.0", "1\\.5|100|"),
        text(
            "clerk|nurse| nurse |cook|NA|a@b\\.example|4111 1111 1111 1111",
            "[a-z é]{0,20}",
        ),
        text("202[0-9]-0[1-9]-1[0-9]|NA", "2024-02-31|1999-01-01"),
        text("0|1", "2||NA|0\\.5"),
    )
        .prop_map(|(a, b, c, d, e, f, g, h)| vec![a, b, c, d, e, f, g, h])
}

/// By the column `g`, of which any other value is a group too.
fn groups() -> Groups {
    let task = Task::parse(
        "name = \"t\"\nrounds = 1\nseed = 3\n[schema]\nversion = 1\nlabel = \"y\"\nleave_out = [\"g\"]\n[[schema.column]]\nname = \"a\"\n\
         type = \"number\"\nmin = 0\nmax = 1\n[model]\nfamily = \"logistic\"\n[training]\noptimiser = \"adam\"\nlearning_rate = 0.1\n\
         batch_size = 16\nlocal_epochs = 4\n[evaluation]\nbins = 32\n\
         groups = { column = \"g\", values = [\"1\", \"2\"], other = \"bucket\", favourable = 0 }\n",
    );
    task.unwrap().evaluation.groups.unwrap()
}

/// What comes of a table.
#[derive(Debug, PartialEq)]
struct Outcome {
    numbers: Vec<u32>,
    categories: Vec<u16>,
    labels: Vec<u32>,
    sides: Vec<(At, Side)>,
    series: usize,
    groups: Vec<u8>,
    error: Option<String>,
    refused: Option<String>,
}

fn outcome(way: Way, table: &[Vec<String>], plain: bool) -> Outcome {
    let schema = Schema::parse(way.schema).unwrap();
    let file = Path::new("t.csv");
    let split = match way.split {
        0 => Split::Hash { share: 0.0 },
        1 => Split::Hash { share: 0.5 },
        2 => Split::Column {
            column: "job".to_owned(),
            held_out: vec!["nurse".to_owned()],
        },
        _ => Split::Time {
            column: "g".to_owned(),
            share: 0.5,
        },
    };
    let hold_out = HoldOut::of([7; 32], &split);
    let groups = groups();
    let groups = way.grouped.then_some(&groups);
    let policy = Policy::parse(Path::new("policy.toml"), way.policy).unwrap();
    let rules = Rules::new("policy.toml".into(), policy, None);
    let all = StringRecord::from(COLUMNS.to_vec());
    let guard = || {
        Guard::new(
            &rules,
            file,
            &all,
            &schema,
            groups.map(|groups| groups.column.as_str()),
        )
        .unwrap()
    };
    let place = Place {
        file,
        schema: &schema,
    };
    let header = guard().header().clone();
    let positions = place
        .positions(&header, &hold_out, groups.map(|groups| groups.column.as_str()))
        .unwrap();
    let tokens = schema.text().map(Tokens::new);
    let context = Context {
        place: &place,
        header: &header,
        positions: &positions,
        hold_out: &hold_out,
        groups,
        text: tokens.as_ref(),
    };
    let mut parser = Parser::new(&context, guard());
    let mut made = Rows::default();
    let mut error = None;
    let mut line = 2;
    for some in table.chunks(50) {
        let mut records = Records::default();
        for row in some {
            records.push(At::Line(line), &StringRecord::from(row.clone()));
            line += 1;
        }
        let worked = if plain && !parser.guard.changes() {
            parser.row_by_row(records.batch(), &mut made)
        } else if plain {
            // The rules first, which are the same on both ways.
            let mut changed = Records::default();
            let mut record = StringRecord::new();
            for (at, row) in records.batch().each() {
                row.copy_to(&mut record);
                parser.guard.apply(&mut record).unwrap();
                changed.push(at, &record);
            }
            parser.row_by_row(changed.batch(), &mut made)
        } else {
            parser.rows(records.batch(), &mut made)
        };
        if let Err(wrong) = worked {
            error = Some(wrong.to_string());
            break;
        }
    }
    let (guard, _) = parser.finish();
    let refused = error
        .is_none()
        .then(|| guard.finish().err().map(|error| error.to_string()));
    let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect();
    // A row with a mistake in it is none.
    let whole = if error.is_some() {
        made.sides.len()
    } else {
        table.len()
    };
    Outcome {
        numbers: bits(&made.cells.numbers[..whole * parser_width(&schema).0]),
        categories: made.cells.categories[..whole * parser_width(&schema).1].to_vec(),
        labels: bits(&made.cells.labels[..whole]),
        sides: made.sides,
        series: made.series.len().min(whole),
        groups: made.groups.into_iter().take(whole).collect(),
        error,
        refused: refused.flatten(),
    }
}

fn parser_width(schema: &Schema) -> (usize, usize) {
    let layout = Layout::of(schema);
    (layout.numbers, layout.categories)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn columns_say_what_rows_say(way in ways(), table in prop::collection::vec(row(), 1..140)) {
        prop_assert_eq!(outcome(way, &table, false), outcome(way, &table, true));
    }

    #[test]
    fn one_odd_cell_is_told_as_by_rows(way in ways(), mut table in prop::collection::vec(row(), 1..120), again in 1_usize..9) {
        // Good rows, so that what is known of cells comes into play.
        table.retain(|row| outcome(way, std::slice::from_ref(row), true).error.is_none());
        let mut many: Vec<_> = std::iter::repeat_n(table.clone(), again).flatten().collect();
        prop_assert_eq!(outcome(way, &many, false), outcome(way, &many, true));
        many.push(vec!["1".to_owned(); 8]);
        prop_assert_eq!(outcome(way, &many, false), outcome(way, &many, true));
    }
}
