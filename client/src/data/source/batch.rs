//! Rows of texts as they go from hand to hand: one text for many rows, and where each cell lies in it.

use csv::StringRecord;

use super::super::error::At;

/// Where a cell lies in the text of its batch, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

/// Rows that follow each other, each of as many cells as the header. Cells are as in the file, with blanks around them.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'b> {
    text: &'b str,
    /// Row by row.
    cells: &'b [Span],
    rows: &'b [At],
}

/// One row of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Row<'b> {
    text: &'b str,
    cells: &'b [Span],
}

/// A cell of few bytes, all of which are looked at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    /// The cell's last byte is the highest of the second word, and zeros stand before its first one.
    words: [u64; 2],
    first: u8,
    length: u8,
}

/// Bytes that [`Short`] has room for; one is left for the length.
const ROOM: usize = 16;

/// By how many bytes a cell has, those of the two words that are its.
const KEPT: [[u64; 2]; ROOM] = {
    let mut kept = [[0; 2]; ROOM];
    let mut length = 1;
    while length < ROOM {
        let both = u128::MAX << (8 * (ROOM - length));
        kept[length] = [both as u64, (both >> 64) as u64];
        length += 1;
    }
    kept
};

impl Span {
    /// From a place in a text of less than 4 GiB to another.
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Without its last byte, of which it has one.
    pub(super) fn shorter(self) -> Self {
        Self {
            end: self.end - 1,
            ..self
        }
    }

    fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

impl Short {
    /// Bytes of the longest.
    pub(crate) const LONGEST: usize = ROOM - 1;

    /// A text, if it is short.
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; ROOM];
        let behind = bytes.get_mut(ROOM - text.len().min(ROOM)..)?;
        (text.len() <= Self::LONGEST).then(|| behind.copy_from_slice(text))?;
        Some(Self::of(&bytes, text.first().copied().unwrap_or(0), text.len()))
    }

    /// `bytes` end with the cell, which is short.
    #[inline]
    fn of(bytes: &[u8; ROOM], first: u8, length: usize) -> Self {
        let both = u128::from_le_bytes(*bytes);
        let [low, high] = KEPT[length];
        Self {
            words: [both as u64 & low, (both >> 64) as u64 & high],
            first,
            length: length as u8,
        }
    }

    /// Another for every other text: its bytes, and in the lowest one how many they are.
    #[inline]
    pub(crate) fn key(self) -> [u64; 2] {
        let [low, high] = self.words;
        [low | u64::from(self.length), high]
    }

    /// That of the [key](Self::key).
    pub(crate) fn of_key([low, high]: [u64; 2]) -> Option<Self> {
        let length = (low & 0xff) as usize;
        let both = u128::from(high) << 64 | u128::from(low);
        let bytes = both.to_le_bytes();
        Self::new(bytes.get(ROOM.checked_sub(length)?..)?)
    }

    /// The text in the last bytes, and how many they are.
    pub(crate) fn bytes(self) -> ([u8; ROOM], usize) {
        let [low, high] = self.words.map(u128::from);
        ((high << 64 | low).to_le_bytes(), usize::from(self.length))
    }

    /// Hands the text to `with`.
    pub(crate) fn with_text<T>(self, with: impl FnOnce(&str) -> T) -> T {
        let (bytes, length) = self.bytes();
        let text = bytes.get(ROOM - length..).unwrap_or_default();
        with(std::str::from_utf8(text).unwrap_or_default())
    }

    /// The bytes as two words, the last one the highest of the second, and those from the `from`th on alone.
    #[inline]
    pub(crate) fn words_from(self, from: usize) -> [u64; 2] {
        let [low, high] = self.words;
        let [keep_low, keep_high] = KEPT[self.len().saturating_sub(from)];
        [low & keep_low, high & keep_high]
    }

    #[inline]
    pub(crate) fn first(self) -> u8 {
        self.first
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        usize::from(self.length)
    }
}

impl<'b> Batch<'b> {
    pub(super) fn new(text: &'b str, cells: &'b [Span], rows: &'b [At]) -> Self {
        Self { text, cells, rows }
    }

    /// Where each row stands in the file.
    pub(crate) fn rows(self) -> &'b [At] {
        self.rows
    }

    fn width(self) -> usize {
        self.cells.len().checked_div(self.rows.len()).unwrap_or(0).max(1)
    }

    /// Each row, and where it stands in the file.
    pub(crate) fn each(self) -> impl Iterator<Item = (At, Row<'b>)> {
        let rows = self.cells.chunks_exact(self.width());
        self.rows.iter().zip(rows).map(move |(at, cells)| {
            (
                *at,
                Row {
                    text: self.text,
                    cells,
                },
            )
        })
    }

    /// Where the cells of the column at this place lie.
    #[inline]
    pub(crate) fn column(self, position: usize) -> impl Iterator<Item = Span> {
        let from = self.cells.get(position..).unwrap_or_default();
        from.iter().step_by(self.width()).copied()
    }

    #[inline]
    pub(crate) fn cell(self, span: Span) -> &'b str {
        span.of(self.text)
    }

    /// Where the cell lies without blanks at either end.
    #[inline]
    pub(crate) fn trimmed(self, span: Span) -> Span {
        let bytes = self.text.as_bytes();
        let first = bytes.get(span.start as usize);
        let last = bytes.get((span.end as usize).wrapping_sub(1));
        if first.is_some_and(u8::is_ascii_graphic) && last.is_some_and(u8::is_ascii_graphic) {
            // An empty cell stands between two commas.
            return span;
        }
        let cell = self.cell(span);
        let start = span.start + (cell.len() - cell.trim_start().len()) as u32;
        Span {
            start,
            end: start + cell.trim().len() as u32,
        }
    }

    /// The cell as it stands, if it is short.
    #[inline]
    pub(crate) fn short(self, span: Span) -> Option<Short> {
        let (start, end) = (span.start as usize, span.end as usize);
        let bytes = self.text.as_bytes();
        let length = end.wrapping_sub(start);
        if length > Short::LONGEST {
            return None;
        }
        match bytes.get(..end).and_then(|until| until.last_chunk()) {
            Some(last) => {
                let first = bytes.get(start).copied().filter(|_| length > 0);
                Some(Short::of(last, first.unwrap_or(0), length))
            }
            None => Short::new(bytes.get(start..end)?),
        }
    }
}

impl<'b> Row<'b> {
    /// The cell at this place, with blanks around it.
    pub(crate) fn get(self, position: usize) -> Option<&'b str> {
        Some(self.cells.get(position)?.of(self.text))
    }

    /// The cell at this place without blanks around it, behind which `bytes` go on, and how many bytes it has; `None` where the text ends before.
    #[inline]
    pub(crate) fn beginning<const N: usize>(self, position: usize) -> Option<(&'b [u8; N], usize)> {
        let span = self.cells.get(position).copied()?;
        let span = Batch::new(self.text, self.cells, &[]).trimmed(span);
        let bytes = self.text.as_bytes().get(span.start as usize..)?;
        Some((bytes.first_chunk()?, (span.end - span.start) as usize))
    }

    /// Puts the cells in place of those that the record has.
    pub(crate) fn copy_to(self, record: &mut StringRecord) {
        record.clear();
        self.cells
            .iter()
            .for_each(|cell| record.push_field(cell.of(self.text)));
    }
}

/// Rows with a text of their own.
#[derive(Debug, Default)]
pub(crate) struct Records {
    text: String,
    cells: Vec<Span>,
    rows: Vec<At>,
}

impl Records {
    /// Bytes from which on no more rows should come, so that places in the text have 32 bits.
    const FULL: usize = 1 << 20;

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.rows.clear();
    }

    /// Takes a row more.
    pub(crate) fn push(&mut self, at: At, record: &StringRecord) {
        let before = self.text.len();
        self.text.push_str(record.as_slice());
        let spans = (0..record.len()).filter_map(|place| record.range(place));
        self.cells
            .extend(spans.map(|span| Span::new(before + span.start, before + span.end)));
        self.rows.push(at);
    }

    pub(super) fn is_full(&self, rows: usize) -> bool {
        self.rows.len() >= rows || self.text.len() >= Self::FULL
    }

    pub(crate) fn batch(&self) -> Batch<'_> {
        Batch::new(&self.text, &self.cells, &self.rows)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_short_cell_is_its_text(text in "[-a0é .]{0,9}", other in "[-a0]{0,4}") {
            let short = Short::new(text.as_bytes()).filter(|_| text.len() <= Short::LONGEST);
            prop_assert_eq!(short.is_some(), text.len() <= Short::LONGEST);
            if let Some(short) = short {
                prop_assert_eq!(short.with_text(str::to_owned), text.as_str());
                prop_assert_eq!(Short::of_key(short.key()), Some(short));
                prop_assert_eq!((short.len(), short.first()), (text.len(), *text.as_bytes().first().unwrap_or(&0)));
                let other_key = Short::new(other.as_bytes()).unwrap().key();
                prop_assert_eq!(short.key() == other_key, text == other);
            }
        }

        #[test]
        fn cells_are_found_wherever_they_lie(cells in prop::collection::vec("[ \u{a0}]{0,2}[-a0é.]{0,12}[ \u{3000}]{0,2}", 1..9)) {
            let mut records = Records::default();
            records.push(At::Line(2), &cells.iter().collect());
            let batch = records.batch();
            let (_, row) = batch.each().next().unwrap();
            for (position, cell) in cells.iter().enumerate() {
                prop_assert_eq!(row.get(position), Some(cell.as_str()));
                let span = batch.column(position).next().unwrap();
                prop_assert_eq!(batch.short(span), Short::new(cell.as_bytes()));
                prop_assert_eq!(batch.cell(batch.trimmed(span)), cell.trim());
                if let Some((bytes, length)) = row.beginning::<16>(position) {
                    let shown = length.min(16);
                    prop_assert_eq!(length, cell.trim().len());
                    prop_assert_eq!(&bytes[..shown], &cell.trim().as_bytes()[..shown]);
                }
            }
        }
    }
}
