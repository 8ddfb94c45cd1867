//! Small grey pictures of documents, drawn by code, deterministic by seed, as IDX files.
//!
//! Eight kinds, each with a layout of its own that varies: blocks of lines, tables, boxes, a photo, a stamp. A sheet lies a little turned and shifted; each
//! bank's scanner has its own brightness, contrast and noise, and each bank sees some kinds much more often than others.

mod layout;
mod sheet;

use std::fs;
use std::path::Path;

use rand_chacha::ChaCha8Rng;

use crate::draw::{pick, stream};
use crate::files::{Files, TableFiles, WriteError, make_folder};

/// The task of the document example.
pub const TASK: &str = include_str!("../../tasks/documents.toml");

/// Pixels of a side.
pub const SIDE: usize = 28;

/// The kinds of documents, in the order of the task's classes; a label is the place in this list.
pub const KINDS: [&str; 8] = [
    "identity card",
    "cheque",
    "invoice",
    "form",
    "letter",
    "receipt",
    "statement",
    "envelope",
];

/// Pictures of the common test fold.
pub const TEST_ROWS: usize = 2_400;

/// One picture with its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Brightness from 0 (black), row by row, [`SIDE`] by [`SIDE`].
    pub pixels: Vec<u8>,
    /// Place in [`KINDS`].
    pub kind: u8,
}

/// How a bank's scanner sees.
#[derive(Clone, Copy, Debug)]
pub struct Scanner {
    /// Added to the brightness, which goes from 0 to 1.
    pub brightness: f64,
    /// Multiplies the distance from the middle grey.
    pub contrast: f64,
    /// Standard deviation of the noise.
    pub noise: f64,
    /// Standard deviation of the sheet's turn in degrees.
    pub turn: f64,
}

/// One bank of the example.
#[derive(Clone, Copy, Debug)]
pub struct Bank {
    /// Short name, also the stem of its files.
    pub name: &'static str,
    /// Position from 1; picks the bank's stream of the seed.
    pub position: u16,
    /// What kind of bank it is, for people.
    pub about: &'static str,
    /// Number of pictures.
    pub rows: usize,
    /// Shares of [`KINDS`].
    pub kinds: [f64; 8],
    /// Its scanner.
    pub scanner: Scanner,
}

/// The five banks, largest first.
pub const BANKS: [Bank; 5] = [
    Bank {
        name: "bank-a",
        position: 1,
        about: "opens accounts: identity cards, forms and letters, from a good scanner",
        rows: 720,
        kinds: [0.35, 0.02, 0.05, 0.3, 0.2, 0.02, 0.03, 0.03],
        scanner: Scanner {
            brightness: 0.0,
            contrast: 1.0,
            noise: 0.13,
            turn: 3.0,
        },
    },
    Bank {
        name: "bank-b",
        position: 2,
        about: "clears cheques, from a dark scanner",
        rows: 560,
        kinds: [0.03, 0.5, 0.1, 0.03, 0.04, 0.05, 0.2, 0.05],
        scanner: Scanner {
            brightness: -0.22,
            contrast: 0.75,
            noise: 0.15,
            turn: 2.0,
        },
    },
    Bank {
        name: "bank-c",
        position: 3,
        about: "pays for businesses: invoices, receipts and statements, from telephones",
        rows: 480,
        kinds: [0.02, 0.03, 0.4, 0.05, 0.05, 0.25, 0.18, 0.02],
        scanner: Scanner {
            brightness: 0.05,
            contrast: 0.8,
            noise: 0.2,
            turn: 9.0,
        },
    },
    Bank {
        name: "bank-d",
        position: 4,
        about: "lends: statements, forms and letters, from an old scanner",
        rows: 340,
        kinds: [0.1, 0.02, 0.04, 0.25, 0.22, 0.02, 0.32, 0.03],
        scanner: Scanner {
            brightness: 0.2,
            contrast: 0.6,
            noise: 0.12,
            turn: 4.0,
        },
    },
    Bank {
        name: "bank-e",
        position: 5,
        about: "has a mail room: envelopes and letters, in all lights",
        rows: 260,
        kinds: [0.05, 0.05, 0.08, 0.05, 0.25, 0.08, 0.04, 0.4],
        scanner: Scanner {
            brightness: -0.05,
            contrast: 0.9,
            noise: 0.22,
            turn: 6.0,
        },
    },
];

/// All pictures of one bank. Each bank draws from its own stream of `seed`.
pub fn documents(seed: u64, bank: &Bank) -> Vec<Document> {
    let mut rng = stream(seed, u64::from(bank.position));
    let mut draw = || {
        let kind = pick(&mut rng, &bank.kinds);
        document(&mut rng, kind, &bank.scanner)
    };
    (0..bank.rows).map(|_| draw()).collect()
}

/// `rows` pictures from the scanners of all banks alike, each kind as often as any other. None of them is a bank's.
pub fn test_fold(seed: u64, rows: usize) -> Vec<Document> {
    let mut rng = stream(seed, 0);
    let mut draw = || {
        let kind = pick(&mut rng, &[1.0; KINDS.len()]);
        let bank = &BANKS[pick(&mut rng, &[1.0; BANKS.len()])];
        document(&mut rng, kind, &bank.scanner)
    };
    (0..rows).map(|_| draw()).collect()
}

fn document(rng: &mut ChaCha8Rng, kind: usize, scanner: &Scanner) -> Document {
    let sheet = layout::sheet(rng, kind);
    Document {
        pixels: sheet::scan(rng, &sheet, scanner),
        // Below eight.
        kind: kind as u8,
    }
}

/// Writes images and labels of every bank and of the test fold with [`TEST_ROWS`] pictures. Makes the folder.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path, seed: u64) -> Result<Files, WriteError> {
    make_folder(folder)?;
    let banks = BANKS
        .iter()
        .map(|bank| write_idx(folder, bank.name, &documents(seed, bank)));
    Ok(Files {
        banks: banks.collect::<Result<_, _>>()?,
        test: write_idx(folder, "test", &test_fold(seed, TEST_ROWS))?,
    })
}

/// As `<name>.idx3-ubyte` and `<name>.idx1-ubyte`, in the form of the MNIST files.
fn write_idx(folder: &Path, name: &str, documents: &[Document]) -> Result<TableFiles, WriteError> {
    let images = folder.join(format!("{name}.idx3-ubyte"));
    let labels = folder.join(format!("{name}.idx1-ubyte"));
    // Some hundreds of pictures.
    let (count, side) = (documents.len() as u32, SIDE as u32);
    let mut bytes: Vec<u8> = [0x0803, count, side, side]
        .into_iter()
        .flat_map(u32::to_be_bytes)
        .collect();
    documents
        .iter()
        .for_each(|document| bytes.extend_from_slice(&document.pixels));
    fs::write(&images, bytes).map_err(WriteError::file(&images))?;
    let mut bytes: Vec<u8> = [0x0801, count].into_iter().flat_map(u32::to_be_bytes).collect();
    bytes.extend(documents.iter().map(|document| document.kind));
    fs::write(&labels, bytes).map_err(WriteError::file(&labels))?;
    Ok(TableFiles {
        rows: images,
        labels: Some(labels),
    })
}

#[cfg(test)]
mod tests;
