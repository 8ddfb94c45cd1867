//! A draft of the schema that a consortium may agree on, from one bank's table.
//!
//! The draft is made to be handed around, so it tells shapes and no cell: ranges are rounded, and a category value that
//! fewer than [`FEWEST`] rows have stays out.

use std::fmt::Write as _;

use time::OffsetDateTime;
use veilsum_protocol::task::Schema;

use super::Survey;
use super::column::{ColumnSurvey, Nature, Numbers};
use super::range::{magnitudes, outwards};
use crate::data::DataError;
use crate::data::moment::Moment;

/// Rows that a category value must have to stand in the draft: a rarer one may point at a person.
const FEWEST: u64 = 10;
/// Values of a category in the draft.
const MOST_VALUES: usize = 50;
/// Share of a text column's rows that the values in the draft must cover.
const COVERED: f64 = 0.8;
/// Whole numbers of so few different values are more likely codes than amounts.
const FEW_CODES: usize = 12;
/// Rows from which on counting different values tells anything.
const ENOUGH_ROWS: u64 = 200;
/// Words of the middle one of the texts of a column from which on they are taken for sentences.
const SENTENCE: f64 = 3.0;
/// Lengths of a draft's longest text, in tokens.
const LENGTHS: [u32; 10] = [8, 16, 32, 48, 64, 96, 128, 256, 512, 1024];
/// Numbers that a draft hashes words into.
const BUCKETS: u32 = 8192;
/// Beyond these a schema has no range, and a name, a value or a marker no place.
const HUGE: f64 = 1e15;
const EXACT: f64 = 9_007_199_254_740_992.0;
const LONGEST_NAME: usize = 128;
const LONGEST_MARKER: usize = 32;
const MOST_MARKERS: usize = 16;
/// Names that a column to predict often has.
const LABELS: [&str; 8] = [
    "label", "default", "target", "y", "class", "fraud", "bad", "churn",
];

/// What the draft does with a column, and why.
enum Choice {
    Column { lines: String, why: Vec<String> },
    LeaveOut { why: String },
}

/// The draft as commented TOML, which [`Schema::parse`] takes.
///
/// # Errors
/// If there is no column to predict, or the table cannot have a schema.
pub(crate) fn draft(survey: &Survey, label: Option<&str>) -> Result<String, DataError> {
    let whole =
        |found: String, expected: &str, advice| DataError::whole(&survey.file, found, expected, advice);
    if let Some(bad) = survey
        .columns
        .iter()
        .find(|column| !fits(&column.name, LONGEST_NAME) || column.name.is_empty())
    {
        return Err(whole(
            format!("the column name {:?}", bad.name),
            "1 to 128 printable characters",
            "rename the column, then try again",
        ));
    }
    let label = find_label(survey, label)?;
    let missing = missing(survey);
    let mut columns = String::new();
    let mut left_out = Vec::new();
    let mut chosen = 0;
    for column in survey.columns.iter().filter(|column| column.name != label.name) {
        match choose(column, &missing) {
            Choice::Column { lines, why } => {
                chosen += 1;
                columns.push('\n');
                why.iter()
                    .for_each(|why| push(&mut columns, format_args!("# {why}\n")));
                push(
                    &mut columns,
                    format_args!("[[column]]\nname = {}\n{lines}", toml(&column.name)),
                );
            }
            Choice::LeaveOut { why } => left_out.push((&column.name, why)),
        }
    }
    // A text is the only column of its schema: it stands there where nothing else could.
    let texts = survey
        .columns
        .iter()
        .filter(|column| column.name != label.name && is_free_text(column));
    let most_words = |column: &&ColumnSurvey| column.words().map_or(0.0, |[_, middle, ..]| middle);
    let text = texts.max_by(|a, b| most_words(a).total_cmp(&most_words(b)));
    if let Some(text) = text.filter(|_| chosen == 0) {
        left_out.retain(|(name, _)| **name != text.name);
        columns.push_str(&free_text(text));
        chosen += 1;
    }
    if chosen == 0 {
        return Err(whole(
            "no column that a model could be given".to_owned(),
            "numbers, dates or categories beside the label",
            "look at `veilsum-client data profile`, and write the schema by hand",
        ));
    }
    let mut text = String::from(
        "# A draft, made from one bank's table alone. Before it is agreed on: compare it with the other banks' drafts, widen\n\
         # ranges to what every bank may have, and strike what must not be named outside. Ranges are rounded outwards,\n\
         # and values that few rows have are left out, so that the draft tells no single row; its names and values are\n\
         # the table's own.\n\nversion = 1\n\n",
    );
    push(
        &mut text,
        format_args!("# {}\nlabel = {}\n\n", label.why, toml(&label.name)),
    );
    if left_out.is_empty() {
        text.push_str("# Columns that may stay in the file and are never read.\nleave_out = []\n");
    } else {
        text.push_str("# Columns that may stay in the file and are never read. Move one to a [[column]] to use it.\nleave_out = [\n");
        for (name, why) in left_out {
            push(&mut text, format_args!("  {}, # {why}\n", toml(name)));
        }
        text.push_str("]\n");
    }
    let list: Vec<_> = missing.iter().map(|marker| toml(marker)).collect();
    push(
        &mut text,
        format_args!(
            "\n# What stands for \"no value\": the empty cell, and what this table has where the others are numbers.\n\
             missing = [{}]\n{columns}",
            list.join(", ")
        ),
    );
    // A draft that is no schema would be a mistake here; it is told, not written.
    Schema::parse(&text).map_err(|source| DataError::Schema {
        file: survey.file.clone(),
        source,
    })?;
    Ok(text)
}

struct Label {
    name: String,
    why: &'static str,
}

fn find_label(survey: &Survey, named: Option<&str>) -> Result<Label, DataError> {
    let whole =
        |found: String, expected: &str, advice| DataError::whole(&survey.file, found, expected, advice);
    if let Some(name) = named {
        let column = survey
            .columns
            .iter()
            .find(|column| column.name == name)
            .ok_or_else(|| {
                let names: Vec<_> = survey
                    .columns
                    .iter()
                    .map(|column| format!("{:?}", column.name))
                    .collect();
                whole(
                    format!("no column {name:?} in the header"),
                    &format!("one of {}", names.join(", ")),
                    "name the column to predict as it is spelt in the file",
                )
            })?;
        if !is_label(column) {
            return Err(whole(
                format!("values other than 0 and 1, or one of them alone, in the column {name:?}"),
                "the label, 0 or 1 in every row, and rows of both",
                "write 1 where the event happened and 0 where it did not, and leave out rows without a label",
            ));
        }
        return Ok(Label {
            name: name.to_owned(),
            why: "The column to predict, as named: 0 or 1 in every row.",
        });
    }
    let candidates: Vec<_> = survey.columns.iter().filter(|column| is_label(column)).collect();
    let by_name = |column: &&&ColumnSurvey| {
        let name = column.name.to_lowercase();
        LABELS.iter().any(|label| {
            name.split(|c: char| !c.is_alphanumeric())
                .any(|word| word == *label)
        })
    };
    let found = candidates.iter().find(by_name).or(candidates.last());
    match found {
        Some(column) => Ok(Label {
            name: column.name.clone(),
            why: "The column to predict, a guess: it is 0 or 1 in every row. Name another with --label.",
        }),
        None => Err(whole(
            "no column of 0 and 1".to_owned(),
            "a column to predict, 0 or 1 in every row",
            "add it, and name it with --label",
        )),
    }
}

/// 0 and 1, as the reader of rows takes them, both of them and nothing else.
fn is_label(column: &ColumnSurvey) -> bool {
    let Some(values) = column.distinct.values() else {
        return false;
    };
    let of = |texts: [&str; 2]| values.iter().any(|(value, _)| texts.contains(value));
    let other = values
        .iter()
        .any(|(value, _)| !["0", "0.0", "1", "1.0"].contains(value));
    column.missing() == 0 && of(["0", "0.0"]) && of(["1", "1.0"]) && !other
}

/// The empty cell, and the texts that stand where a column has numbers or dates otherwise.
fn missing(survey: &Survey) -> Vec<String> {
    let mut missing = vec![String::new()];
    let mut add = |marker: &str| {
        let known = missing.iter().any(|known| known == marker);
        if !known && missing.len() < MOST_MARKERS && fits(marker, LONGEST_MARKER) {
            missing.push(marker.to_owned());
        }
    };
    for column in &survey.columns {
        if matches!(column.nature(), Nature::Number { .. } | Nature::Date) {
            column.markers().into_iter().for_each(&mut add);
        }
    }
    missing
}

fn choose(column: &ColumnSurvey, missing: &[String]) -> Choice {
    let leave_out = |why: &str| Choice::LeaveOut { why: why.to_owned() };
    let (distinct, _) = column.distinct.count();
    match column.nature() {
        Nature::Nothing => leave_out("no value in any row"),
        _ if distinct == 1 => leave_out("one value in all rows; another bank may have others"),
        Nature::Date => date(column),
        Nature::Number { whole } => match column.numbers() {
            Some(numbers) => number(column, &numbers, whole, missing),
            None => leave_out("no value in any row"),
        },
        Nature::Text => category(column, missing, "texts of few values"),
    }
}

fn number(column: &ColumnSurvey, numbers: &Numbers, whole: bool, missing: &[String]) -> Choice {
    let leave_out = |why: &str| Choice::LeaveOut { why: why.to_owned() };
    if whole && looks_like_a_key(column) {
        return leave_out("looks like a key: whole numbers that hardly repeat");
    }
    if numbers.least.abs().max(numbers.most.abs()) > HUGE / 10.0 {
        return leave_out("numbers beyond 1e14, for which a schema has no range");
    }
    let (values, exact) = column.distinct.count();
    let flag = (numbers.least, numbers.most) == (0.0, 1.0);
    let few = exact && usize::try_from(values).is_ok_and(|values| values <= FEW_CODES);
    if whole && few && !flag && column.present() >= ENOUGH_ROWS {
        return category(
            column,
            missing,
            "whole numbers of few values, taken for codes; if they are amounts or ranks, use type = \"integer\" with min \
             and max",
        );
    }
    let whole = whole && numbers.least.abs().max(numbers.most.abs()) <= EXACT / 10.0;
    let mut why = vec![match (flag, whole) {
        (true, true) => "0 or 1: one input, as an integer.".to_owned(),
        (_, true) => "Whole numbers in every row that has a value.".to_owned(),
        (_, false) => "Numbers, with fractions.".to_owned(),
    }];
    let mut lines = format!("type = \"{}\"\n", if whole { "integer" } else { "number" });
    let range = if numbers.heavy_tail {
        magnitudes(numbers.least, numbers.most)
    } else {
        outwards(numbers.least, numbers.most, whole)
    };
    push(
        &mut lines,
        format_args!(
            "min = {}\nmax = {}\n",
            range.text(range.min),
            range.text(range.max)
        ),
    );
    if numbers.heavy_tail {
        why.push(
            "scale = \"log\": the tail is more than ten times as long as the middle half of the rows is wide, so that on a"
                .to_owned(),
        );
        why.push("linear scale most rows would fall together.".to_owned());
        lines.push_str("scale = \"log\"\n");
    }
    if column.missing() > 0 {
        why.push("when_missing = \"mean\": some rows have no value; one more input tells that.".to_owned());
        lines.push_str("when_missing = \"mean\"\n");
    }
    if column.strays() > 0 {
        why.push(
            "Some cells hold a text: mend them, or list the text under missing if it means \"no value\"."
                .to_owned(),
        );
    }
    Choice::Column { lines, why }
}

fn date(column: &ColumnSurvey) -> Choice {
    let year = |end: &Option<(Moment, String)>| match end {
        Some((Moment::Date(at), _)) => OffsetDateTime::from_unix_timestamp(at.div_euclid(1_000_000))
            .ok()
            .map(OffsetDateTime::year),
        _ => None,
    };
    let years = year(&column.earliest).zip(year(&column.latest));
    let Some((first, last)) = years.filter(|(first, last)| *first >= 0 && *last < 9999) else {
        return Choice::LeaveOut {
            why: "dates before the year 0 or after 9998, for which a schema has no range".to_owned(),
        };
    };
    let mut why = vec![
        "Dates, over whole years. cycles = [\"week\", \"year\"] would give the place in these, too; a task may also split by dates"
            .to_owned(),
        "(evaluation.time_column), or order rows of one key by them ([sequence]).".to_owned(),
    ];
    let mut lines = format!(
        "type = \"date\"\nmin = \"{first:04}-01-01\"\nmax = \"{:04}-01-01\"\n",
        last + 1
    );
    if column.missing() > 0 {
        why.push("when_missing = \"mean\": some rows have no date; one more input tells that.".to_owned());
        lines.push_str("when_missing = \"mean\"\n");
    }
    if column.strays() > 0 {
        why.push(
            "Some cells hold no date: mend them, or list the text under missing if it means \"no value\"."
                .to_owned(),
        );
    }
    Choice::Column { lines, why }
}

fn category(column: &ColumnSurvey, missing: &[String], because: &str) -> Choice {
    let leave_out = |why: &str| Choice::LeaveOut { why: why.to_owned() };
    if is_free_text(column) {
        return leave_out(
            "texts that hardly repeat: free text, which a task can learn from alone, as the only column, of type = \"text\"",
        );
    }
    let Some(values) = column.distinct.values() else {
        return leave_out("texts of too many values: a key, or free text");
    };
    let is_listed = |value: &str, count: u64| {
        count >= FEWEST && fits(value, LONGEST_NAME) && missing.iter().all(|missing| missing != value)
    };
    let mut listed: Vec<_> = values
        .iter()
        .filter(|(value, count)| is_listed(value, *count))
        .take(MOST_VALUES)
        .collect();
    let covered: u64 = listed.iter().map(|value| value.1).sum();
    if listed.is_empty() || (covered as f64) < COVERED * column.present() as f64 {
        return leave_out("texts that hardly repeat: a key, or free text");
    }
    // The order by count would tell which is the most frequent.
    listed.sort_unstable_by_key(|value| value.0);
    let other = covered < column.cells || listed.len() < 2;
    let mut why = vec![format!("A category: {because}.")];
    if covered < column.present() {
        why.push(format!(
            "Values that fewer than {FEWEST} rows have are not listed."
        ));
    }
    if other {
        why.push("other = \"bucket\": any other value, and a missing one, counts as one more.".to_owned());
    }
    let list: Vec<_> = listed.iter().map(|(value, _)| toml(value)).collect();
    let mut lines = format!("type = \"category\"\nvalues = [{}]\n", list.join(", "));
    if other {
        lines.push_str("other = \"bucket\"\n");
    }
    Choice::Column { lines, why }
}

/// Sentences that hardly repeat.
fn is_free_text(column: &ColumnSurvey) -> bool {
    let (distinct, _) = column.distinct.count();
    let sentences = column.words().is_some_and(|[_, middle, ..]| middle >= SENTENCE);
    sentences && distinct as f64 >= COVERED * column.present() as f64
}

/// The only column of a schema.
fn free_text(column: &ColumnSurvey) -> String {
    let [_, middle, high, _] = column.words().unwrap_or_default();
    let mut text = String::new();
    push(
        &mut text,
        format_args!(
            "\n# Free text: {middle} words in the middle, {high} in all but the longest twentieth. Words are hashed into {BUCKETS} numbers, of\n\
             # which several share one: more buckets make a larger model. words = 2 also takes pairs of words, for \"embedding-bag\" alone.\n\
             # In place of words and buckets may stand merges of bytes, which `veilsum-client schema merges` learns from public texts.\n\
             [[column]]\nname = {}\ntype = \"text\"\ntokens = {}\nwords = 1\nbuckets = {BUCKETS}\n",
            toml(&column.name),
            tokens_for(high)
        ),
    );
    text
}

/// A longest text, in tokens, where nearly all have at most `high`.
pub(super) fn tokens_for(high: f64) -> u32 {
    let [.., longest] = LENGTHS;
    let fitting = LENGTHS.into_iter().find(|length| f64::from(*length) >= high);
    fitting.unwrap_or(longest)
}

fn looks_like_a_key(column: &ColumnSurvey) -> bool {
    let (distinct, exact) = column.distinct.count();
    let present = column.present();
    let differ = if exact {
        distinct == present
    } else {
        // Within four standard errors of the estimate.
        distinct as f64 >= 0.93 * present as f64
    };
    let name = column.name.to_lowercase();
    let mut words = name.split(|c: char| !c.is_alphanumeric());
    let named = words.any(|word| {
        matches!(
            word,
            "id" | "key" | "nr" | "no" | "number" | "account" | "customer" | "uuid"
        )
    });
    present >= 20 && differ && (column.ascending || named)
}

/// Whether a text can stand in a schema.
fn fits(text: &str, longest: usize) -> bool {
    text.chars().count() <= longest && !text.chars().any(char::is_control)
}

pub(super) fn toml(text: &str) -> String {
    toml::Value::from(text).to_string()
}

pub(super) fn push(text: &mut String, args: std::fmt::Arguments<'_>) {
    text.write_fmt(args).expect("writing to a String cannot fail");
}
