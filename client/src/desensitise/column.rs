//! A column as a whole: what its cells look like, and whether that makes it an identifier.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::dates::Dated;
use super::detect;
use super::hint;
use super::kind::{Kind, Kinds};
use crate::data::Short;
use crate::data::decimal::Plain;
use crate::distinct::DistinctSketch;

/// Fewer cells do not tell a key from values that happen to differ.
const LEAST_CELLS_OF_A_KEY: u64 = 50;

/// From this share of different values on a column may be a key. Not 1: a key that was exported twice, or is estimated
/// ([`DistinctSketch`]), is one all the same.
const KEY: f64 = 0.95;

/// Share of the cells that must have the form of a key.
const FORM: f64 = 0.99;

/// Whole numbers of so many digits, all of one length, are numbers that somebody gave out: amounts differ in length.
const DIGITS_OF_A_KEY: usize = 8;

/// Of all amounts only those like 20240131 are dates as well.
const DIGITS_OF_A_DATE: usize = 8;

/// Whole numbers that all differ, over a range of so many times their count, run on.
const RUNNING: f64 = 1.1;

/// Longest word that may be a key.
const LONGEST_KEY: usize = 64;

/// Cells whose kinds are remembered, for columns with few values in many rows.
const REMEMBERED: usize = 1024;

/// What a column looks like.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Looks {
    /// Like this kind, in this share of its cells.
    Like(Kind, f64),
    /// Like a key: nearly every row has a value of its own that measures nothing.
    Key(f64),
}

/// What was seen of a column's cells.
#[derive(Debug)]
pub(super) struct Column {
    hint: Option<Kind>,
    cells: u64,
    counts: [u64; 8],
    examples: [Option<String>; 8],
    /// Cells that could be what the column's name says.
    borne_out: u64,
    example: Option<String>,
    distinct: DistinctSketch,
    form: Form,
    remembered: HashMap<String, Known, FixedState>,
}

/// What is known of a cell that is no amount.
#[derive(Clone, Copy, Debug)]
struct Known {
    kinds: Kinds,
    form: Other,
}

/// The form of a cell that is no amount.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Other {
    Date,
    /// Of many digits.
    Whole,
    Word,
    None,
}

/// Which forms a column's cells have.
#[derive(Debug, Default)]
struct Form {
    whole: u64,
    dates: u64,
    words: u64,
    range: Option<(i64, i64)>,
    lengths: Option<(usize, usize)>,
}

/// A kind in a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// The kind.
    pub kind: Kind,
    /// Share of the cells that hold one; by the column's name if `by_name`.
    pub share: f64,
    /// Whether the column's name, and not the cells alone, says so.
    pub by_name: bool,
    /// The shape of a cell that holds one: no letter or digit of it.
    pub example: String,
}

impl Column {
    /// Nothing was seen yet of the column with this name.
    pub(super) fn new(name: &str) -> Self {
        Self {
            hint: hint::of(name),
            cells: 0,
            counts: [0; 8],
            examples: Default::default(),
            borne_out: 0,
            example: None,
            distinct: DistinctSketch::default(),
            form: Form::default(),
            remembered: HashMap::default(),
        }
    }

    /// Takes what was seen of other rows of the same column.
    pub(super) fn merge(&mut self, other: Self) {
        self.cells += other.cells;
        self.borne_out += other.borne_out;
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        for (example, more) in self.examples.iter_mut().zip(other.examples) {
            *example = example.take().or(more);
        }
        self.example = self.example.take().or(other.example);
        self.distinct.merge(&other.distinct);
        self.form.merge(&other.form);
    }

    /// Looks at a cell, which holds a value.
    pub(super) fn see(&mut self, cell: &str) {
        self.see_times(cell, 1);
    }

    /// The same for so many equal cells.
    pub(super) fn see_times(&mut self, cell: &str, times: u64) {
        self.cells += times;
        self.distinct.see(cell);
        let kinds = if detect::is_amount(cell) {
            self.form.see_amount(cell, times);
            Kinds::NONE
        } else {
            let known = self.known(cell);
            self.form.see_other(cell, known.form, times);
            known.kinds
        };
        if kinds != Kinds::NONE {
            for kind in Kind::ALL.into_iter().filter(|&kind| kinds.holds(kind)) {
                self.counts[kind.index()] += times;
                self.examples[kind.index()].get_or_insert_with(|| shape(cell));
            }
        }
        if self
            .hint
            .is_some_and(|kind| kinds.holds(kind) || hint::bears_out(kind, cell))
        {
            self.borne_out += times;
            self.example.get_or_insert_with(|| shape(cell));
        }
    }

    /// As [`see`](Self::see), for a cell that was read as a number already.
    #[inline]
    pub(super) fn see_plain(&mut self, cell: Short, plain: Plain) {
        // A name that announces something, or digits enough for an identifier, take another look.
        if self.hint.is_some() || !detect::is_plain_amount(plain) {
            return cell.with_text(|cell| self.see(cell));
        }
        self.cells += 1;
        self.distinct.see_short(cell);
        self.form.see_plain(cell, plain);
    }

    fn known(&mut self, cell: &str) -> Known {
        if let Some(known) = self.remembered.get(cell) {
            return *known;
        }
        let known = Known {
            kinds: detect::kinds(cell),
            form: Other::of(cell),
        };
        if self.remembered.len() < REMEMBERED && cell.len() <= LONGEST_KEY {
            self.remembered.insert(cell.to_owned(), known);
        }
        known
    }

    /// How many cells were seen.
    pub(super) fn cells(&self) -> u64 {
        self.cells
    }

    /// Share of the cells that differ from all others, about.
    pub(super) fn distinct_share(&self) -> f64 {
        (self.distinct.count() / self.cells.max(1) as f64).min(1.0)
    }

    /// All kinds that were found, most frequent first.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let share = |count: u64| count as f64 / self.cells.max(1) as f64;
        let mut seen: Vec<Seen> = Kind::ALL
            .into_iter()
            .zip(self.counts.iter().zip(&self.examples))
            .filter_map(|(kind, (&count, example))| {
                let example = example.clone()?;
                Some(Seen {
                    kind,
                    share: share(count),
                    by_name: false,
                    example,
                })
            })
            .collect();
        if let (Some(kind), Some(example)) = (self.hint, &self.example) {
            let by_name = Seen {
                kind,
                share: share(self.borne_out),
                by_name: true,
                example: example.clone(),
            };
            match seen.iter_mut().find(|seen| seen.kind == kind) {
                // The cells alone tell as much.
                Some(same) if same.share >= by_name.share => {}
                Some(same) => *same = by_name,
                None => seen.push(by_name),
            }
        }
        seen.sort_by(|a, b| b.share.total_cmp(&a.share));
        seen
    }

    /// Whether the column looks like an identifier: a kind whose share of the cells reaches its threshold, or a key.
    pub(super) fn looks(&self) -> Option<Looks> {
        let various = self.distinct.count() >= (self.cells as f64 / 2.0).min(10.0);
        let reaches = |seen: &Seen| {
            let threshold = if seen.by_name {
                hint::THRESHOLD
            } else {
                seen.kind.threshold()
            };
            seen.share >= threshold && (various || !seen.kind.needs_variety())
        };
        // By its own cells as well, where the name says more than it bears out.
        let alone = Kind::ALL.into_iter().zip(self.counts).find(|&(kind, count)| {
            count > 0
                && count as f64 >= kind.threshold() * self.cells as f64
                && (various || !kind.needs_variety())
        });
        let looks = self
            .seen()
            .into_iter()
            .find(reaches)
            .map(|seen| Looks::Like(seen.kind, seen.share));
        looks
            .or_else(|| alone.map(|(kind, count)| Looks::Like(kind, count as f64 / self.cells as f64)))
            .or_else(|| self.is_key().then(|| Looks::Key(self.distinct_share())))
    }

    /// The shape of a cell of this kind.
    pub(super) fn example(&self, kind: Kind) -> Option<&str> {
        let own = self.examples[kind.index()].as_deref();
        own.or_else(|| self.example.as_deref().filter(|_| self.hint == Some(kind)))
    }

    fn is_key(&self) -> bool {
        let most = |count: u64| count as f64 >= FORM * self.cells as f64;
        let Form {
            whole,
            dates,
            words,
            range,
            lengths,
        } = &self.form;
        let dense = range.is_some_and(|(least, most)| {
            // Numbers that run on without gaps to speak of count the rows.
            (i128::from(most) - i128::from(least)) as f64 <= RUNNING * self.cells as f64
        });
        let given_out = lengths.is_some_and(|(least, most)| least == most && most >= DIGITS_OF_A_KEY);
        self.cells >= LEAST_CELLS_OF_A_KEY
            && self.distinct_share() >= KEY
            && !most(*dates)
            && (most(*words) || (*whole == self.cells && (dense || given_out)))
    }
}

impl Form {
    /// An [amount](detect::is_amount), so many times.
    fn see_amount(&mut self, cell: &str, times: u64) {
        let unsigned = cell.strip_prefix('-').unwrap_or(cell);
        if unsigned.is_empty() || unsigned.contains('.') {
            return;
        }
        if cell.len() == DIGITS_OF_A_DATE && Dated::read(cell, None).is_some() {
            self.dates += times;
        }
        self.see_whole(cell, times);
    }

    /// The same of one that was read as a number already.
    #[inline]
    fn see_plain(&mut self, cell: Short, plain: Plain) {
        let Some(whole) = plain.whole() else {
            return;
        };
        if cell.len() == DIGITS_OF_A_DATE && cell.with_text(|cell| Dated::read(cell, None).is_some()) {
            self.dates += 1;
        }
        self.see_number(whole, plain.digits(), 1);
    }

    fn see_other(&mut self, cell: &str, form: Other, times: u64) {
        match form {
            Other::Date => {
                self.dates += times;
                self.words += if is_word(cell) { times } else { 0 };
            }
            Other::Whole => self.see_whole(cell, times),
            Other::Word => self.words += times,
            Other::None => {}
        }
    }

    fn see_whole(&mut self, cell: &str, times: u64) {
        let value = cell.parse().unwrap_or(i64::MAX);
        let length = cell.len() - usize::from(cell.starts_with('-'));
        self.see_number(value, length, times);
    }

    #[inline]
    fn see_number(&mut self, value: i64, length: usize, times: u64) {
        self.whole += times;
        let (least, most) = self.range.unwrap_or((value, value));
        self.range = Some((least.min(value), most.max(value)));
        let (short, long) = self.lengths.unwrap_or((length, length));
        self.lengths = Some((short.min(length), long.max(length)));
    }

    fn merge(&mut self, other: &Self) {
        self.whole += other.whole;
        self.dates += other.dates;
        self.words += other.words;
        self.range = both(self.range, other.range);
        self.lengths = both(self.lengths, other.lengths);
    }
}

/// The least and the most of two ranges.
fn both<T: Ord + Copy>(one: Option<(T, T)>, other: Option<(T, T)>) -> Option<(T, T)> {
    match (one, other) {
        (Some((least, most)), Some((lower, upper))) => Some((least.min(lower), most.max(upper))),
        (one, other) => one.or(other),
    }
}

impl Other {
    fn of(cell: &str) -> Self {
        let unsigned = cell.strip_prefix('-').unwrap_or(cell);
        if Dated::read(cell, None).is_some() {
            Self::Date
        } else if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
            Self::Whole
        } else if is_word(cell) {
            Self::Word
        } else {
            Self::None
        }
    }
}

/// One word that is no number: what a key of letters and digits looks like. Ideographs stand without spaces in whole sentences, so they make none.
fn is_word(cell: &str) -> bool {
    let letters = || cell.chars();
    cell.len() <= LONGEST_KEY
        && !letters().any(|letter| letter.is_whitespace() || ('\u{2e80}'..='\u{9fff}').contains(&letter))
        && letters().any(char::is_alphanumeric)
        && cell.parse::<f64>().is_err()
}

/// What a cell looks like without what it says: `#` for each digit, `x` for each letter, and the beginning only.
pub(super) fn shape(cell: &str) -> String {
    const SHOWN: usize = 40;
    let mut letters = cell.chars();
    let shape: String = letters
        .by_ref()
        .take(SHOWN)
        .map(|letter| match letter {
            letter if letter.is_numeric() => '#',
            letter if letter.is_alphabetic() => 'x',
            ' ' => ' ',
            sign if sign.is_ascii_punctuation() => sign,
            _ => '?',
        })
        .collect();
    if letters.next().is_some() {
        shape + "..."
    } else {
        shape
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    /// What a column keeps of its cells.
    fn kept(column: &Column) -> String {
        let Column {
            cells,
            counts,
            examples,
            borne_out,
            example,
            distinct,
            form,
            ..
        } = column;
        let distinct = distinct.count();
        format!("{cells} {counts:?} {examples:?} {borne_out} {example:?} {distinct} {form:?}")
    }

    proptest! {
        #[test]
        fn equal_cells_count_as_often_as_they_are_seen(
            cells in prop::collection::vec(prop_oneof!["-?[0-9]{1,12}(\\.[0-9]{0,2})?", "[a-z]{1,9}", "20[0-9]{6}", "a@b\\.example", "4111 1111 1111 1111"], 1..20),
            name in prop_oneof![Just("x"), Just("phone"), Just("ssn")],
        ) {
            let (mut once, mut often, mut plain) = (Column::new(name), Column::new(name), Column::new(name));
            for cell in &cells {
                (0..3).for_each(|_| often.see(cell));
                once.see_times(cell, 3);
                for _ in 0..3 {
                    match Short::new(cell.as_bytes()).and_then(|short| Some((short, Plain::read(short)?))) {
                        Some((short, number)) => plain.see_plain(short, number),
                        None => plain.see(cell),
                    }
                }
            }
            prop_assert_eq!(kept(&once), kept(&often));
            prop_assert_eq!(kept(&plain), kept(&often));
        }
    }

    fn column<T: ToString>(name: &str, cells: impl IntoIterator<Item = T>) -> Column {
        let mut column = Column::new(name);
        cells.into_iter().for_each(|cell| column.see(&cell.to_string()));
        column
    }

    #[test]
    fn the_share_of_the_cells_decides() {
        let notes = |every: u32| {
            let cell = move |row: u32| {
                if row.is_multiple_of(every) {
                    format!("call 4111 1111 1111 1111 about {row}")
                } else {
                    format!("nothing of note, {row}")
                }
            };
            column("notes", (0..1000).map(cell))
        };
        let Some(Looks::Like(Kind::Card, share)) = notes(10).looks() else {
            panic!("{:?}", notes(10).looks());
        };
        assert_eq!(share, 0.1);
        assert_eq!(notes(10).seen()[0].example, "xxxx #### #### #### #### xxxxx #");
        // 2 %, below the threshold of 5 %.
        assert_eq!(notes(50).looks(), None);
        assert_eq!(notes(50).seen().len(), 1);
    }

    #[test]
    fn a_column_s_name_makes_weaker_forms_tell() {
        let numbers = || (0..40).map(|row| 123_456_789 + row * 7919);
        assert_eq!(
            column("ssn", numbers()).looks(),
            Some(Looks::Like(Kind::NationalId, 1.0))
        );
        assert_eq!(column("amount", numbers()).looks(), None);
        let surnames = ["Szymborska", "Achebe", "Okri", "Pamuk", "Munro", "Szymborska"];
        assert_eq!(
            column("last_name", surnames).looks(),
            Some(Looks::Like(Kind::Name, 1.0))
        );
        assert_eq!(column("product", surnames).looks(), None);
        // Most of its cells belie the name.
        let belied = (0..100).map(|row| if row < 40 { "5550123" } else { "yes" });
        assert_eq!(column("phone", belied).looks(), None);
    }

    #[test]
    fn words_that_many_rows_share_are_no_names() {
        let states = ["Virginia", "Georgia", "Virginia", "Carolina"];
        let many = (0..400).map(|row| states[row % 4]);
        assert_eq!(column("state", many).looks(), None);
    }

    #[test]
    fn a_key_is_told_from_what_is_measured() {
        let key = |looks: Option<Looks>| matches!(looks, Some(Looks::Key(_)));
        assert!(key(column("id", 1..200).looks()));
        assert!(key(
            column("id", (0..200).map(|row| 10_000_000 + row * 31_337)).looks()
        ));
        assert!(key(column(
            "id",
            (0..200).map(|row| format!("C-{:05x}", row * 7919))
        )
        .looks()));
        // Amounts, fractions, few rows, ages, dates, sentences.
        assert!(!key(column("x", (1..200).map(|row| row * row * 100)).looks()));
        assert!(!key(
            column("x", (1..200).map(|row| f64::from(row) + 0.25)).looks()
        ));
        assert!(!key(column("x", 1..40).looks()));
        assert!(!key(column("x", (0..200).map(|row| 18 + row % 60)).looks()));
        assert!(!key(column(
            "x",
            (0..200).map(|row| format!("20{:02}-{:02}-{:02}", row / 28, 1, 1 + row % 28))
        )
        .looks()));
        assert!(!key(
            column("x", (0..200).map(|row| format!("paid late {row}"))).looks()
        ));
    }

    #[test]
    fn a_shape_says_nothing_of_its_cell() {
        assert_eq!(shape("Ann.Lee+1@bank.example"), "xxx.xxx+#@xxxx.xxxxxxx");
        assert_eq!(shape("王小明 13800138000"), "xxx ###########");
        assert_eq!(shape("a\u{1b}[2J"), "x?[#x");
        assert_eq!(shape(&"1".repeat(50)), "#".repeat(40) + "...");
    }
}
