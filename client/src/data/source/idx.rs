//! IDX files of images and labels, plain or gzip, with words for what is wrong with them.

mod items;

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::super::DataError;
use super::super::error::At;
use super::{GZIP_MAGIC, first_bytes};
use items::{Fault, Items, fill};

pub(super) use items::is_idx;

const DAMAGED: &str = "it may be damaged or cut short: copy or export it again";

/// An IDX file of bytes: its sizes, and its items one after the other. Memory holds one item.
pub(crate) struct Idx {
    file: PathBuf,
    items: Items<Box<dyn Read + Send>>,
}

impl Idx {
    /// Opens a file, plain or gzip as its first bytes tell, and reads its header.
    ///
    /// # Errors
    /// When it cannot be read, or is no IDX file of bytes.
    pub(crate) fn open(file: &Path) -> Result<Self, DataError> {
        let unreadable = |source, advice| DataError::Unreadable {
            file: file.to_owned(),
            source,
            advice,
        };
        let mut opened = File::open(file).map_err(|error| {
            unreadable(
                error,
                "put the file there, or set data.file and data.labels in bank.toml and start the daemon again",
            )
        })?;
        let start = first_bytes(&mut opened)
            .map_err(|error| unreadable(error, "check that it is a file and may be read"))?;
        let buffered = BufReader::with_capacity(1 << 17, opened);
        if start.starts_with(GZIP_MAGIC) {
            Self::new(file, Box::new(BufReader::new(MultiGzDecoder::new(buffered))))
        } else {
            Self::new(file, Box::new(buffered))
        }
    }

    /// Reads the header of what `bytes` gives, unpacked; `file` is its name in errors.
    ///
    /// # Errors
    /// When it is no header of an IDX file of bytes.
    pub(crate) fn new(file: &Path, bytes: Box<dyn Read + Send>) -> Result<Self, DataError> {
        Ok(Self {
            file: file.to_owned(),
            items: Items::new(bytes).map_err(|fault| whole(file, fault))?,
        })
    }

    /// How many items the header says there are. The file may have fewer, which [`Idx::read`] tells.
    pub(crate) fn count(&self) -> u32 {
        self.items.count()
    }

    /// The sizes of an item: none of a label, which is one byte.
    pub(crate) fn shape(&self) -> &[u32] {
        self.items.shape()
    }

    /// The next item, and which it is, from 1; `None` after the last.
    ///
    /// # Errors
    /// When the file ends before, goes on after the last item, or cannot be unpacked.
    pub(crate) fn read(&mut self) -> Result<Option<(u32, &[u8])>, DataError> {
        let (file, count) = (&self.file, self.items.count());
        let position = (self.items.position() + 1).min(count);
        let found = self.items.read().map_err(|fault| {
            let found = match fault {
                Fault::Short(read, length) => format!("the end of the file after {read} of {length} bytes"),
                Fault::Unreadable(error) => format!("a file that cannot be read on ({error})"),
                Fault::Long => {
                    return DataError::whole(
                        file,
                        format!("bytes behind the last of {count} items"),
                        "the end of the file, as its header says",
                        DAMAGED,
                    );
                }
                other => return whole(file, other),
            };
            DataError::Row {
                file: file.clone(),
                at: At::Image(position.into()),
                found,
                expected: format!("{count} images or labels, as the header says"),
                advice: DAMAGED,
            }
        })?;
        Ok(found.map(|item| (position, item)))
    }
}

/// What is wrong with the file as a whole.
fn whole(file: &Path, fault: Fault) -> DataError {
    let (found, expected, advice) = match fault {
        Fault::Unreadable(source) => {
            return DataError::Unreadable {
                file: file.to_owned(),
                source,
                advice: DAMAGED,
            };
        }
        Fault::Magic(magic) => (
            format!("a file that begins with the bytes {}", hex::encode(magic)),
            "an IDX file, which begins with 000008 and the number of its sizes",
            "a task of images is trained on IDX files, plain or gzip: export the images as such, or take part in tasks on tables only",
        ),
        Fault::Element(element) => (
            format!("elements of the type {element:#04x}, {}", name(element)),
            "unsigned bytes, type 0x08",
            "export the file with a byte for each value, from 0 to 255",
        ),
        Fault::Sizes(sizes) => (
            format!("{sizes} sizes"),
            "at most 4: count, channels, height and width",
            "export images one by one, not in groups",
        ),
        Fault::Item(shape) => (
            format!("items of {} bytes", times(&shape)),
            "items of 1 to 65536 bytes",
            DAMAGED,
        ),
        Fault::NoHeader | Fault::Short(..) | Fault::Long => (
            "the end of the file within its header".to_owned(),
            "an IDX file",
            DAMAGED,
        ),
    };
    DataError::whole(file, found, expected, advice)
}

/// Sizes in words.
pub(crate) fn times(sizes: &[u32]) -> String {
    let sizes: Vec<_> = sizes.iter().map(u32::to_string).collect();
    sizes.join(" x ")
}

fn name(element: u8) -> &'static str {
    match element {
        0x09 => "signed bytes",
        0x0b => "whole numbers of two bytes",
        0x0c => "whole numbers of four bytes",
        0x0d => "numbers of four bytes with a fraction",
        _ => "numbers of eight bytes with a fraction",
    }
}

/// The first bytes of what a packed file holds, and all of it again.
pub(super) fn peeked(
    mut unpacked: impl Read + Send + 'static,
) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut start = vec![0; 4];
    let length = fill(&mut unpacked, &mut start)?;
    start.truncate(length);
    Ok((start.clone(), Box::new(Cursor::new(start).chain(unpacked))))
}
