#![allow(clippy::unwrap_used)]

use std::fs;

use ::csv::StringRecord;
use proptest::prelude::*;

use super::*;

const KINDS: &[u8] = include_bytes!("fixtures/kinds.parquet");
const GROUPS: &[u8] = include_bytes!("fixtures/groups.parquet");

fn write(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bank.data");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Header and rows, or the first error.
fn read(bytes: &[u8]) -> Result<Vec<Vec<String>>, String> {
    let (_folder, path) = write(bytes);
    let table = Table::open(&path).map_err(|e| e.to_string())?;
    let texts = |record: &StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let mut rows = vec![texts(table.header())];
    let read = table.for_each(|_at, record| {
        assert_eq!(record.len(), rows[0].len());
        rows.push(texts(record));
        // Far more than any file here has.
        assert!(rows.len() < 20_000);
        Ok(())
    });
    read.map_err(|e| e.to_string())?;
    Ok(rows)
}

fn refused(bytes: &[u8]) -> String {
    read(bytes).unwrap_err()
}

#[test]
fn every_type_becomes_the_text_that_an_export_holds() {
    let rows = read(KINDS).unwrap();
    #[rustfmt::skip]
    let expected = [
        ("bool", "1", "0"),
        ("i8", "-128", "127"),
        ("u8", "255", "0"),
        ("i16", "-32768", "1"),
        ("u16", "65535", "1"),
        ("i32", "-2147483648", "2147483647"),
        ("u32", "4294967295", "1"),
        ("i64", "-9223372036854775808", "9223372036854775807"),
        ("u64", "18446744073709551615", "1"),
        ("f16", "0.5", "-65504"),
        ("f32", "0.1", "-2.5"),
        ("f64", "0.1", "0.0000001"),
        ("dec9", "-0.05", "1234567.89"),
        ("dec18", "-12345678901234.5678", "0.0000"),
        ("dec38", "-10000000000000000000000000000000000000", "10000000000000000000000000000000000000"),
        ("date", "1969-12-31", "2024-02-29"),
        ("time", "00:00:00", "23:59:59.25"),
        ("ms", "1969-12-31T23:59:59.999", "2024-01-02T03:04:05"),
        ("us", "2024-01-02T03:04:05.00006Z", "1900-01-01T00:00:00Z"),
        ("ns", "2024-01-02T03:04:05.12", "2024-01-02T00:00:00"),
        ("text", "a,\"b\"", "région"),
        ("word", "south", "north"),
        ("uuid", "00000000-0000-0000-0000-000000000001", "12345678-9abc-def0-1234-56789abcdef0"),
        ("required", "1", "3"),
        ("nothing", "", ""),
    ];
    let column = |at: usize| rows.iter().map(move |row| row[at].as_str()).collect::<Vec<_>>();
    for (at, (name, first, last)) in expected.into_iter().enumerate() {
        let missing = if name == "required" { "2" } else { "" };
        assert_eq!(column(at), [name, first, missing, last]);
    }
    assert_eq!(rows[0].len(), expected.len());
    let old = read(include_bytes!("fixtures/int96.parquet")).unwrap();
    assert_eq!(old, [["at"], ["2024-01-02T03:04:05"], [""]]);
}

#[test]
fn row_groups_and_pages_follow_each_other() {
    let rows = read(GROUPS).unwrap();
    assert_eq!(rows.len(), 5001);
    for (i, row) in rows[1..].iter().enumerate() {
        let income = format!("{}", i as f64 * 0.25);
        let region = ["north", "south", "west"][i % 3];
        let label = if i % 7 == 0 { "1" } else { "0" };
        assert_eq!(*row, [income.as_str(), region, label]);
    }
}

#[test]
fn columns_that_are_no_cells_are_named() {
    for (bytes, parts) in [
        (
            &include_bytes!("fixtures/nested.parquet")[..],
            [
                "column \"x\" of a nested type",
                "leave the column out of the export",
            ],
        ),
        (
            include_bytes!("fixtures/binary.parquet"),
            [
                "column \"x\" of binary values",
                "expected numbers, texts, booleans",
            ],
        ),
        (
            include_bytes!("fixtures/brotli.parquet"),
            [
                "cannot be read as it",
                "uncompressed or with snappy, gzip or zstd",
            ],
        ),
    ] {
        let message = refused(bytes);
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for length in 0..KINDS.len() {
        // Of four bytes and fewer, the first ones may be of a text.
        assert!(length < 4 || read(&KINDS[..length]).is_err(), "{length}");
    }
}

#[test]
fn texts_that_no_parser_should_take_are_refused_with_their_place() {
    let header = "id,name,y\n1,a,0\n";
    for (rest, part) in [
        (
            &b"2,b\xffc,1\n"[..],
            "line 3, column \"name\": found a text that is not UTF-8",
        ),
        (b"2,b\0c,1\n", "line 3, column \"name\": found a NUL byte"),
        (b"2,b\n", "line 3: found 2 cells, expected 3, as in the header"),
        (b"2,\"b\n3,c,1\n", "line 3: found 2 cells"),
    ] {
        let message = refused(&[header.as_bytes(), rest].concat());
        assert!(message.contains(part), "{message}");
    }
    let mut long = header.as_bytes().to_vec();
    long.extend_from_slice(b"2,\"");
    long.resize(long.len() + (18 << 20), b'x');
    let message = refused(&long);
    assert!(
        message.contains("line 3: found a row of more than 16 MiB") && message.contains("double quote"),
        "{message}"
    );
    for bytes in [&b"\xff\xfei\0d\0"[..], b"\xfe\xff\0i\0d"] {
        assert!(refused(bytes).contains("a text in UTF-16"));
    }
    assert!(refused(b"PARE....").contains("encrypted"));
    let windows = read(b"\xef\xbb\xbfid,y\r\n1,2\r\n").unwrap();
    assert_eq!(windows, [["id", "y"], ["1", "2"]]);
}

/// The same by the csv crate; `None` where it finds an error.
fn by_the_library(text: &str) -> Option<Vec<Vec<String>>> {
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut rows: Vec<Vec<String>> = Vec::new();
    for record in reader.records() {
        rows.push(record.ok()?.iter().map(str::to_owned).collect());
    }
    if let Some(header) = rows.first_mut() {
        header.iter_mut().for_each(|name| *name = name.trim().to_owned());
    }
    Some(rows)
}

fn flipped(bytes: &[u8], flips: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, with) in flips {
        let at = at.index(bytes.len());
        bytes[at] ^= with;
    }
    bytes
}

fn flips() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_of_a_parquet_file_are_an_error_or_other_values(flips in flips()) {
        let _ = read(&flipped(KINDS, &flips));
    }

    #[test]
    fn flipped_bits_of_a_longer_parquet_file_are_an_error_or_other_values(flips in flips()) {
        let _ = read(&flipped(GROUPS, &flips));
    }

    #[test]
    fn bytes_of_any_kind_are_an_error_or_rows(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
    }

    #[test]
    fn texts_with_quotes_and_line_ends_are_an_error_or_rows(text in "[a0,\"\n\r\u{0}é;]{0,200}") {
        let _ = read(text.as_bytes());
    }

    #[test]
    fn texts_are_split_as_by_the_csv_crate(text in "[a0é ]([a0, ]{0,3}[,\"\n\r]|é,|\",|\n\"|\r\n|,a\n){0,12}") {
        match by_the_library(&text) {
            Some(rows) => prop_assert_eq!(read(text.as_bytes()), Ok(rows)),
            None => prop_assert!(read(text.as_bytes()).is_err()),
        }
    }
}
