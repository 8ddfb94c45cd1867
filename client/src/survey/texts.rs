//! Texts one after the other: the cells of a table's column, or the lines of a file.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use crate::data::{At, DataError, Table, trimmed};

/// Bytes of the longest line, as of a table's row.
const LONGEST_LINE: u64 = 16 << 20;
const BYTE_ORDER_MARK: &str = "\u{feff}";
/// How the names of files end that hold more than texts.
const TABLES: [&str; 3] = [".csv", ".csv.gz", ".parquet"];

/// Hands every text that is not blank to `each`, without blanks at its ends, as training reads it: those of the column, or with none named
/// the lines.
///
/// # Errors
/// When the file cannot be read, is a table and no column is named, or has no such column.
pub(super) fn for_each(
    file: &Path,
    column: Option<&str>,
    mut each: impl FnMut(&str) + Send,
) -> Result<(), DataError> {
    let mut each = |text: &str| {
        let text = trimmed(text);
        if !text.is_empty() {
            each(text);
        }
    };
    let Some(column) = column else {
        return lines(file, each);
    };
    let table = Table::open(file)?;
    let position = position(file, table.header(), column)?;
    table.for_each(|_, record| {
        each(record.get(position).unwrap_or_default());
        Ok(())
    })
}

fn position(file: &Path, header: &csv::StringRecord, column: &str) -> Result<usize, DataError> {
    let mut places = (0..).zip(header).filter(|(_, name)| *name == column);
    match (places.next(), places.next()) {
        (Some((position, _)), None) => Ok(position),
        (Some(_), Some(_)) => Err(DataError::whole(
            file,
            format!("the column {column:?} twice in the header"),
            "each column once",
            "rename or remove one of them",
        )),
        (None, _) => {
            let names: Vec<_> = header.iter().map(|name| format!("{name:?}")).collect();
            Err(DataError::whole(
                file,
                format!("no column {column:?} in the header"),
                format!("one of {}", names.join(", ")),
                "name the column of texts as it is spelt in the file",
            ))
        }
    }
}

fn lines(file: &Path, mut each: impl FnMut(&str)) -> Result<(), DataError> {
    let name = file.to_string_lossy().to_lowercase();
    if TABLES.iter().any(|end| name.ends_with(end)) {
        return Err(DataError::whole(
            file,
            "a table and no --column",
            "the name of the column of texts",
            "add --column NAME, or give a file with a text on each line",
        ));
    }
    let unreadable = |source| DataError::Unreadable {
        file: file.to_owned(),
        source,
        advice: "name a file of texts, one on each line, that you can read",
    };
    let mut read = BufReader::with_capacity(1 << 17, File::open(file).map_err(unreadable)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let took = read
            .by_ref()
            .take(LONGEST_LINE + 1)
            .read_until(b'\n', &mut line)
            .map_err(unreadable)?;
        if took == 0 {
            break;
        }
        let wrong = |found: &str, expected: &str, advice| DataError::Row {
            file: file.to_owned(),
            at: At::Line(number),
            found: found.to_owned(),
            expected: expected.to_owned(),
            advice,
        };
        if took as u64 > LONGEST_LINE {
            return Err(wrong(
                "more than 16 MiB without a line end",
                "a text on each line",
                "put each text on a line of its own, or name the column of a table with --column",
            ));
        }
        let text = std::str::from_utf8(&line).map_err(|_| {
            wrong(
                "bytes that are not UTF-8",
                "text in UTF-8",
                "save the file in UTF-8; a packed one has to be unpacked first",
            )
        })?;
        each(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text));
    }
    Ok(())
}
