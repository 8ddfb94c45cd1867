#![allow(clippy::unwrap_used)]

use std::fs;

use proptest::prelude::*;
use veilsum_protocol::task::Schema;

use super::*;
use crate::data::{Dataset, HoldOut};
use crate::desensitise::Rules;

fn survey(text: &str) -> Result<Survey, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    fs::write(&path, text).unwrap();
    Survey::read(&path).map_err(|error| error.to_string())
}

/// 400 rows of what banks have: a key, amounts with a heavy tail, ages, codes, texts, dates, a constant.
fn table() -> String {
    let mut text = "ID,amount,age,grade,region,opened,country,postcode,note,ratio,flag,default\n".to_owned();
    for i in 0..400_u32 {
        let amount = if i % 100 == 7 { 987_654 } else { 100 + i % 50 };
        let age = if i % 40 == 3 {
            "NA".to_owned()
        } else {
            (19 + i % 67).to_string()
        };
        let region = ["north", "south", "Zürich"][i as usize % 3];
        let region = if i == 11 { "hidden-village" } else { region };
        let grade = 1 + i % 4;
        let (month, day) = (1 + i % 12, 1 + i % 28);
        text.push_str(&format!(
            "{},{amount},{age},{grade},{region},2023-{month:02}-{day:02},CH,{:05},note number {i},{:.3},{},{}\n",
            10_000 + i,
            (i % 3) * 100,
            f64::from(i % 97) / 100.0 - 0.4,
            i % 2,
            u32::from(i % 5 == 0),
        ));
    }
    text
}

#[test]
fn the_draft_is_a_schema_by_which_the_table_can_be_read() {
    let draft = draft(&survey(&table()).unwrap(), None).unwrap();
    for part in [
        "label = \"default\"",
        "\"ID\", # looks like a key",
        "name = \"opened\"\ntype = \"date\"\nmin = \"2023-01-01\"\nmax = \"2024-01-01\"\n",
        "\"country\", # one value in all rows",
        "\"note\", # texts that hardly repeat",
        "missing = [\"\", \"NA\"]",
        "name = \"amount\"\ntype = \"integer\"\nmin = 0\nmax = 1000000\nscale = \"log\"\n",
        "name = \"age\"\ntype = \"integer\"\nmin = 10\nmax = 90\nwhen_missing = \"mean\"\n",
        "name = \"grade\"\ntype = \"category\"\nvalues = [\"1\", \"2\", \"3\", \"4\"]\n\n",
        "name = \"region\"\ntype = \"category\"\nvalues = [\"Zürich\", \"north\", \"south\"]\nother = \"bucket\"\n",
        "name = \"postcode\"\ntype = \"category\"\nvalues = [\"00000\", \"00100\", \"00200\"]\n",
        "name = \"ratio\"\ntype = \"number\"\nmin = -0.4\nmax = 0.6\n",
        "name = \"flag\"\ntype = \"integer\"\nmin = 0\nmax = 1\n",
        "the tail is more than ten times as long",
    ] {
        assert!(draft.contains(part), "{part} is not in:\n{draft}");
    }
    // No exact end and no rare value leaves with a draft.
    for secret in ["987654", "hidden-village", "10399", "0.56"] {
        assert!(!draft.contains(secret), "{secret} is in:\n{draft}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    fs::write(&path, table()).unwrap();
    let schema = Schema::parse(&draft).unwrap();
    let rows = Dataset::read(&path, &schema, &HoldOut::new([0; 32], 0.0), &Rules::none()).unwrap();
    assert_eq!(rows.len(), 400);
}

#[test]
fn what_keeps_a_draft_from_being_made_is_told() {
    let of = |text: &str, label| draft(&survey(text).unwrap(), label).unwrap_err().to_string();
    for (message, part) in [
        (
            of("a,b\n1,x\n2,y\n", None),
            "found no column of 0 and 1, expected a column to predict",
        ),
        (
            of(&table(), Some("nope")),
            "found no column \"nope\" in the header, expected one of \"ID\"",
        ),
        (
            of(&table(), Some("age")),
            "found values other than 0 and 1, or one of them alone, in the column \"age\"",
        ),
        (
            of("default\n0\n1\n", None),
            "found no column that a model could be given",
        ),
        (
            survey("a,a\n1,2\n").err().unwrap(),
            "found the column \"a\" twice",
        ),
        (survey("a,b\n").err().unwrap(), "found a header and no row"),
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn the_profile_counts_what_is_there() {
    let profile = Profile::of(&survey(&table()).unwrap());
    let column = |name: &str| profile.columns.iter().find(|column| column.name == name).unwrap();
    assert_eq!((profile.rows, profile.columns.len()), (400, 12));
    let age = column("age");
    assert_eq!(
        (age.kind, age.count, age.missing, &age.markers[..]),
        ("integer", 390, 10, &["NA"][..])
    );
    assert_eq!((age.distinct, age.distinct_is_exact), (67, true));
    let numbers = age.numbers.as_ref().unwrap();
    assert_eq!((numbers.min, numbers.max), (19.0, 85.0));
    assert_eq!(numbers.histogram.counts.iter().sum::<f64>(), 390.0);
    let region = column("region");
    assert_eq!(
        (region.top[0].value.as_str(), region.top[0].count),
        ("north", 134)
    );
    assert_eq!(
        column("opened").dates,
        Some(["2023-01-01".to_owned(), "2023-12-28".to_owned()])
    );
    let text = profile.text();
    for part in [
        "age  integer, 390 values, 67 different, 10 missing (2.5 %), also as NA",
        "  min 19  5% 22  25% 35",
        "  from 2023-01-01 to 2023-12-28",
    ] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    assert!(text.contains('▁') && text.contains("(logarithmic)"), "{text}");
}

/// Sentences of 4 to 23 words, and a label.
fn messages(name: &str, of: impl Fn(usize) -> String) -> String {
    let mut text = format!("message,{name},y\n");
    for row in 0..200_usize {
        let words = (0..4 + row % 20).map(|word| format!("w{}", row * 31 + word));
        let words = words.collect::<Vec<_>>().join(" ");
        text.push_str(&format!("\"{words},\nplease\",{},{}\n", of(row), row % 2));
    }
    text
}

#[test]
fn long_free_texts_are_drafted_as_the_only_column() {
    let text = messages("code", |row| format!("K{row}"));
    let found = draft(&survey(&text).unwrap(), None).unwrap();
    for part in [
        "\"code\", # texts that hardly repeat: a key, or free text",
        "# Free text: 15 words in the middle, 23 in all but the longest twentieth.",
        "name = \"message\"\ntype = \"text\"\ntokens = 32\nwords = 1\nbuckets = 8192\n",
    ] {
        assert!(found.contains(part), "{part} is not in:\n{found}");
    }
    // No word of a message leaves with a draft.
    assert!(!found.contains("w31"), "{found}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.csv");
    fs::write(&path, &text).unwrap();
    let schema = Schema::parse(&found).unwrap();
    let rows = Dataset::read(&path, &schema, &HoldOut::new([0; 32], 0.0), &Rules::none()).unwrap();
    assert_eq!(rows.len(), 200);
    // Beside what a table's model takes, a text is left out, and the reason says what it is good for.
    let beside = messages("age", |row| (20 + row % 50).to_string());
    let beside = draft(&survey(&beside).unwrap(), None).unwrap();
    let part = "\"message\", # texts that hardly repeat: free text, which a task can learn from alone";
    assert!(
        beside.contains(part) && beside.contains("name = \"age\""),
        "{beside}"
    );
    let profile = Profile::of(&survey(&text).unwrap());
    let words = profile.columns[0].words.as_ref().unwrap();
    assert_eq!((words.quantiles, words.max), ([6.0, 15.0, 23.0], 24.0));
    assert!(
        profile.text().contains("  words 5% 6  median 15  95% 23  max 24"),
        "{}",
        profile.text()
    );
    assert!(page(&profile).contains("Words of a text: 6 at 5 %, 15 at 50 %"));
}

#[test]
fn images_are_counted_by_their_labels_and_are_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let [images, labels] = ["images.idx", "labels.idx"].map(|name| folder.path().join(name));
    let pixels = [
        [0, 0, 8, 3, 0, 0, 0, 4],
        [0, 0, 0, 1, 0, 0, 0, 2],
        [10, 20, 30, 40, 50, 60, 70, 80],
    ]
    .concat();
    fs::write(&images, pixels).unwrap();
    fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 4, 7, 0, 7, 7]).unwrap();
    let text = Images::read(&images, Some(&labels)).unwrap().text();
    for part in [
        "images.idx: IDX, 4 images of 1 x 2 bytes, mean 45.0 of 255",
        "  label   0  1 (25.0 %)\n  label   7  3 (75.0 %)",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let alone = Images::read(&images, None).unwrap().text();
    assert!(alone.contains("--labels FILE"), "{alone}");
    let alone = Images::read(&labels, None).unwrap().text();
    assert!(alone.contains("IDX, 4 labels\n  label   0  1"), "{alone}");
    let error = Images::read(&labels, Some(&images)).err().unwrap().to_string();
    assert!(
        error.contains("found items of 1 x 2 bytes, expected labels"),
        "{error}"
    );
    let error = Survey::read(&images).err().unwrap().to_string();
    assert!(
        error.contains("found an IDX file, of images or their labels, expected a table"),
        "{error}"
    );
}

#[test]
fn the_page_escapes_what_cells_hold_and_fetches_nothing() {
    let text = table().replace("north", "<script>alert(1)</script>\u{1b}[2J");
    let page = page(&Profile::of(&survey(&text).unwrap()));
    assert!(!page.contains("<script") && !page.contains('\u{1b}'));
    assert!(page.contains("&lt;script&gt;") && !page.contains("src=") && !page.contains("http://"));
    assert!(page.contains("<svg"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_table_has_a_profile_and_a_draft_or_a_reason(
        cells in prop::collection::vec("[0-9.eE+-]{0,6}|NA|[a-c]{0,2}|20[0-9]{2}-0[1-9]-11|-?1e30[0-9]", 6..240),
    ) {
        let mut text = "a,b,default\n".to_owned();
        for (row, cells) in cells.chunks_exact(2).enumerate() {
            text.push_str(&format!("{},{},{}\n", cells[0], cells[1], row % 2));
        }
        let survey = survey(&text).unwrap();
        let profile = Profile::of(&survey);
        prop_assert!(!profile.text().is_empty());
        let _ = page(&profile);
        match draft(&survey, None) {
            Ok(draft) => prop_assert!(Schema::parse(&draft).is_ok()),
            Err(error) => prop_assert!(error.to_string().contains("found no column that a model"), "{error}"),
        }
    }
}
