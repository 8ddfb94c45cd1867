//! The format alone: two zero bytes, the type of the elements, how many sizes there are, the sizes with their greatest byte first, and
//! the elements, the last size's next to each other (<http://yann.lecun.com/exdb/mnist/>). Needs nothing but the standard library, so
//! that its fuzzer needs nothing of the client.

use std::io::{self, Read};

/// Bytes of one item. A schema has no larger images.
const LARGEST_ITEM: usize = 1 << 16;

/// Count, channels, height and width.
const MOST_SIZES: u8 = 4;

/// The type of the elements that is read.
const UNSIGNED_BYTE: u8 = 0x08;

/// What keeps a file from being read.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The system's, or of what unpacks the file.
    Unreadable(io::Error),
    /// The file ends within its header.
    NoHeader,
    /// It begins with other bytes.
    Magic([u8; 4]),
    /// Its elements are of another type.
    Element(u8),
    /// It has more sizes than any images.
    Sizes(u8),
    /// The sizes of its items, which have no byte or too many.
    Item(Vec<u32>),
    /// It ends within an item, after so many of its bytes.
    Short(usize, usize),
    /// It goes on behind the last item.
    Long,
}

/// The items of a file, one after the other. Memory holds one.
pub(crate) struct Items<R> {
    bytes: R,
    count: u32,
    shape: Vec<u32>,
    item: Vec<u8>,
    read: u32,
}

/// Whether a file begins as IDX does, with elements of any type.
pub(crate) fn is_idx(start: &[u8]) -> bool {
    matches!(start, [0, 0, 0x08 | 0x09 | 0x0b..=0x0e, 1..=u8::MAX, ..])
}

impl<R: Read> Items<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is none of an IDX file of bytes.
    pub(crate) fn new(mut bytes: R) -> Result<Self, Fault> {
        let mut magic = [0; 4];
        header(&mut bytes, &mut magic)?;
        let [_, _, element, sizes] = magic;
        if !is_idx(&magic) {
            return Err(Fault::Magic(magic));
        }
        if element != UNSIGNED_BYTE {
            return Err(Fault::Element(element));
        }
        if sizes > MOST_SIZES {
            return Err(Fault::Sizes(sizes));
        }
        let mut size = || {
            let mut size = [0; 4];
            header(&mut bytes, &mut size)?;
            Ok(u32::from_be_bytes(size))
        };
        let count = size()?;
        let shape = (1..sizes).map(|_| size()).collect::<Result<Vec<_>, Fault>>()?;
        let length = shape.iter().try_fold(1_usize, |length, size| {
            length.checked_mul(usize::try_from(*size).ok()?)
        });
        match length {
            Some(length) if (1..=LARGEST_ITEM).contains(&length) => Ok(Self {
                bytes,
                count,
                shape,
                item: vec![0; length],
                read: 0,
            }),
            _ => Err(Fault::Item(shape)),
        }
    }

    /// How many items the header says there are. The file may have fewer, which [`Items::read`] tells.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The sizes of an item: none of a label, which is one byte.
    pub(crate) fn shape(&self) -> &[u32] {
        &self.shape
    }

    /// How many items were given out, with one that was cut short.
    pub(crate) fn position(&self) -> u32 {
        self.read
    }

    /// The next item; `None` after the last.
    ///
    /// # Errors
    /// When the file ends before, goes on after the last item, or cannot be read on.
    pub(crate) fn read(&mut self) -> Result<Option<&[u8]>, Fault> {
        if self.read == self.count {
            return match fill(&mut self.bytes, &mut [0; 1]).map_err(Fault::Unreadable)? {
                0 => Ok(None),
                _ => Err(Fault::Long),
            };
        }
        self.read += 1;
        let length = self.item.len();
        match fill(&mut self.bytes, &mut self.item).map_err(Fault::Unreadable)? {
            read if read == length => Ok(Some(&self.item)),
            read => Err(Fault::Short(read, length)),
        }
    }
}

fn header(bytes: &mut impl Read, part: &mut [u8]) -> Result<(), Fault> {
    match fill(bytes, part) {
        Ok(read) if read == part.len() => Ok(()),
        Ok(_) => Err(Fault::NoHeader),
        Err(error) => Err(Fault::Unreadable(error)),
    }
}

/// Reads until the buffer is full or the file at its end; how many bytes that were.
///
/// # Errors
/// The first of the system.
pub(crate) fn fill(bytes: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match bytes.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
