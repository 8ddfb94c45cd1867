#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// A file that gives few bytes at a time, and then no more.
struct Trickle(io::Cursor<Vec<u8>>, usize);

impl Read for Trickle {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let most = to.len().min(self.1);
        self.0.read(&mut to[..most])
    }
}

type Texts = Vec<(At, Vec<String>)>;

/// Header and rows, and the error after them.
fn by_blocks(text: &[u8], block: usize, plain: bool) -> (Texts, Option<String>) {
    let mut texts = Vec::new();
    let bytes = Box::new(Trickle(io::Cursor::new(text.to_vec()), 1 + block / 3));
    let (header, mut rows) = match CsvRows::open_by(block, Path::new("t.csv"), bytes) {
        Ok(opened) => opened,
        Err(error) => return (texts, Some(error.to_string())),
    };
    texts.push((At::Line(0), header.iter().map(str::to_owned).collect()));
    let mut splitter = rows.splitter();
    let mut each = |batch: Batch<'_>| {
        for (at, row) in batch.each() {
            let mut record = StringRecord::new();
            row.copy_to(&mut record);
            texts.push((at, record.iter().map(str::to_owned).collect()));
        }
        Ok(())
    };
    let mut used = Block::default();
    let error = loop {
        let block = match rows.next(used) {
            Ok(Some(block)) => block,
            Ok(None) => break None,
            Err(error) => break Some(error),
        };
        let split = if plain {
            splitter.split_any(block.unsplit(), &mut each)
        } else {
            splitter.split_block(&block, &mut each)
        };
        if let Err(error) = split {
            break Some(error);
        }
        used = block;
    };
    (texts, error.map(|error| error.to_string()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn where_blocks_end_changes_nothing(
        text in "[a0é ]{0,3}([a0, ]{0,3}[,\"\n\r]|é,|\",|,\"|\n\"|\"\"|\r\n|,a\n|\u{feff}|\u{0}){0,24}",
        block in 4_usize..70,
    ) {
        let whole = by_blocks(text.as_bytes(), 1 << 10, true);
        prop_assert_eq!(&by_blocks(text.as_bytes(), block, false), &whole);
        prop_assert_eq!(&by_blocks(text.as_bytes(), block, true), &whole);
    }

    #[test]
    fn bytes_of_any_kind_are_split_alike(
        mut bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b','), Just(b'\n'), Just(b'1'), Just(b'"')], 0..200),
        block in 4_usize..300,
    ) {
        let mut text = b"a,b\n1,2\n".to_vec();
        text.append(&mut bytes);
        let whole = by_blocks(&text, 1 << 10, true);
        prop_assert_eq!(&by_blocks(&text, block, false), &whole);
    }

    #[test]
    fn tidy_blocks_are_split_as_others_are(
        rows in prop::collection::vec("[a0é .-]{0,9}(,[a0é .-]{0,20}){2}", 0..400),
        odd in prop_oneof![4 => Just(""), 1 => Just("a,b"), 1 => Just("a,b,c,d"), 1 => Just("\n\n,,")],
        end in prop_oneof![Just("\n"), Just("\r\n")],
        place in any::<prop::sample::Index>(),
        ends in any::<bool>(),
    ) {
        let mut rows = rows;
        let place = place.index(rows.len() + 1);
        rows.insert(place, odd.to_owned());
        let mut text = format!("x,y,z{end}") + &rows.join(end);
        if ends {
            text.push_str(end);
        }
        let plain = by_blocks(text.as_bytes(), 1 << 16, true);
        prop_assert_eq!(&by_blocks(text.as_bytes(), 1 << 16, false), &plain);
    }
}

#[test]
fn what_was_read_before_a_fault_of_the_file_comes_first() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("torn"));
            }
            to[..10].copy_from_slice(b"a,b\n1,2\n3,");
            Ok(10)
        }
    }
    let (_, mut rows) = CsvRows::open(Path::new("t.csv"), Box::new(Broken(false))).unwrap();
    let block = rows.next(Block::default()).unwrap().unwrap();
    assert_eq!(block.unsplit().bytes, b"1,2\n");
    let error = rows.next(block).err().unwrap().to_string();
    assert!(error.contains("torn") && error.contains("cut short"), "{error}");
}

#[test]
fn lines_without_anything_are_counted_and_are_no_rows() {
    let text = b"a\n\r\n\r\r\n\n\"1\"\n\r\r\n2\n";
    for block in [4, 1 << 10] {
        let (texts, error) = by_blocks(text, block, false);
        let lines: Vec<_> = texts
            .into_iter()
            .skip(1)
            .map(|(at, row)| (at, row[0].clone()))
            .collect();
        assert_eq!(
            (lines, error),
            (
                vec![(At::Line(5), "1".to_owned()), (At::Line(7), "2".to_owned())],
                None
            )
        );
    }
}
