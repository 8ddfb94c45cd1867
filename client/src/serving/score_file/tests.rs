#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use super::{ScoreFileError, score_file};
use crate::scoring::Scorer;
use crate::scoring::tests::{POLICY, SEQUENCE_TASK, TABLE_TASK, TEXT_TASK, asked, files, scorer, task};

fn scored(scorer: &Scorer, table: &str, keep: &[&str]) -> Result<(u64, String), ScoreFileError> {
    let (_folder, files) = files(table);
    let keep: Vec<String> = keep.iter().map(|&name| name.to_owned()).collect();
    let (mut text, mut heard) = (Vec::new(), 0);
    let rows = score_file(scorer, &files.file, &keep, &mut text, &mut |rows| heard = rows)?;
    assert_eq!(heard, rows);
    Ok((rows, String::from_utf8(text).unwrap()))
}

/// More rows than a block has, some of them of values that only the slow way reads.
fn table(rows: u32) -> String {
    let mut text = "opened,note,customer,income,job\n".to_owned();
    for row in 0..rows {
        let job = ["clerk", "driver", ""][row as usize % 3];
        let income = if row % 977 == 5 {
            "1e1".to_owned()
        } else {
            (row % 100).to_string()
        };
        writeln!(
            text,
            "2020-02-{:02},\"n, {row}\",c{},{income},{job}",
            1 + row % 28,
            row % 50
        )
        .unwrap();
    }
    text
}

#[test]
fn a_file_gets_the_scores_of_its_rows_one_by_one_under_the_banks_rules() {
    let scorer = scorer(&task(TABLE_TASK), POLICY);
    let text = table(20_000);
    let (rows, found) = scored(&scorer, &text, &["note", "customer"]).unwrap();
    assert_eq!(rows, 20_000);
    let mut reader = csv::Reader::from_reader(found.as_bytes());
    assert_eq!(
        reader.headers().unwrap().iter().collect::<Vec<_>>(),
        ["note", "customer", "probability"]
    );
    let expected = scorer.score(&asked(&scorer, &text)).unwrap();
    let mut seen = 0;
    for (row, (record, expected)) in reader.records().zip(&expected).enumerate() {
        let record = record.unwrap();
        assert_eq!(
            (&record[0], &record[1]),
            (&*format!("n, {row}"), &*format!("c{}", row % 50))
        );
        // As many rows at once as a block has may be summed in another order.
        let score: f32 = record[2].parse().unwrap();
        assert!((score - expected).abs() < 1e-6, "row {row}: {score} {expected}");
        seen += 1;
    }
    assert_eq!(seen, 20_000);
}

#[test]
fn what_does_not_fit_is_told_with_file_line_and_column() {
    let scorer = scorer(&task(TABLE_TASK), POLICY);
    let told = |table: &str, keep: &[&str]| scored(&scorer, table, keep).unwrap_err().to_string();
    let wrong = table(3_000).replacen("\"n, 2500\",c0,0,", "\"n, 2500\",c0,much,", 1);
    let words = told(&wrong, &[]);
    for part in ["bank.csv", "2502", "income", "much"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let plain = self::scorer(&task(TABLE_TASK), "");
    let words = scored(&plain, "opened,income,customer\n2020-02-02,1,c1\n", &[]);
    let words = words.unwrap_err().to_string();
    assert!(words.contains("no column \"job\" in the header"), "{words}");
    let words = told(&table(1), &["name"]);
    assert!(
        words.contains("no column \"name\" to keep") && words.contains("opened, note"),
        "{words}"
    );
}

#[test]
fn classes_have_the_likeliest_and_each_and_of_a_sequence_the_last_row_is_scored() {
    let texts = scorer(&task(TEXT_TASK), "");
    let (rows, found) = scored(&texts, "message\nmy card!\nwhat a lost card it is\n", &[]).unwrap();
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(
        (rows, lines[0]),
        (2, "class,probability_card,probability_fee,probability_app")
    );
    let cells: Vec<&str> = lines[1].split(',').collect();
    let each = [1, 2, 3].map(|at| cells[at].parse::<f64>().unwrap());
    assert!((each.iter().sum::<f64>() - 1.0).abs() < 1e-6);
    let best = (0..3).max_by(|a, b| each[*a].total_cmp(&each[*b])).unwrap();
    assert_eq!(cells[0], ["card", "fee", "app"][best]);

    let steps = scorer(&task(SEQUENCE_TASK), "");
    let table =
        "card,at,amount,id\na,2024-01-01,1,r0\nb,2024-01-05,8,r1\na,2024-01-09,5,r2\na,2024-01-03,2,r3\n";
    let (rows, found) = scored(&steps, table, &["id"]).unwrap();
    let expected = steps.score(&asked(&steps, table)).unwrap();
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(rows, 2);
    assert_eq!(
        lines,
        [
            "id,probability",
            &format!("r1,{}", expected[0]),
            &format!("r2,{}", expected[1])
        ]
    );
}
