//! A sheet with what is printed on it, and how a scanner sees it.

use rand_chacha::ChaCha8Rng;

use super::{SIDE, Scanner};
use crate::draw::{between, normal};

/// Samples along a pixel's side.
const SAMPLES: usize = 3;

/// A rectangle of one grey, in parts of the picture: x to the right, y downwards, 0 in the middle, 0.5 at the edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
    /// Brightness from 0 to 1.
    pub(super) grey: f64,
}

/// Blocks, later ones over earlier ones; the first is the paper.
pub(super) struct Sheet {
    pub(super) blocks: Vec<Block>,
}

/// Cells along a side of the fine picture that a sheet is printed into before it is scanned, and how far it reaches from the middle.
const FINE: usize = 192;
const REACH: f64 = 0.6;

/// A sheet in print: the grey of each cell, none beside the paper.
struct Print(Vec<Option<f64>>);

impl Print {
    fn of(sheet: &Sheet) -> Self {
        let mut cells = vec![None; FINE * FINE];
        for block in &sheet.blocks {
            let (from, to) = (cell(block.left), cell(block.right));
            for row in cell(block.top)..cell(block.bottom) {
                let line = row * FINE;
                cells[line + from..line + to.max(from)].fill(Some(block.grey));
            }
        }
        Self(cells)
    }

    fn at(&self, x: f64, y: f64) -> Option<f64> {
        let inside = |place: f64| place.abs() < REACH;
        if inside(x) && inside(y) {
            let (column, row) = (cell(x - HALF), cell(y - HALF));
            return self.0.get(row * FINE + column).copied().flatten();
        }
        None
    }
}

/// Half a cell.
const HALF: f64 = REACH / FINE as f64;

/// The edge of a cell that is nearest to a place, from 0 to [`FINE`].
fn cell(place: f64) -> usize {
    // Clamped to the cells there are.
    ((place + REACH) / (2.0 * HALF)).round().clamp(0.0, FINE as f64) as usize
}

/// Lays the sheet on the scanner, somewhat turned and shifted, and reads it.
pub(super) fn scan(rng: &mut ChaCha8Rng, sheet: &Sheet, scanner: &Scanner) -> Vec<u8> {
    let (sine, cosine) = normal(rng, 0.0, scanner.turn).to_radians().sin_cos();
    let (right, down) = (normal(rng, 0.0, 0.03), normal(rng, 0.0, 0.03));
    let scale = between(rng, 0.88, 1.08);
    // Light that falls from a side, and what the sheet lies on.
    let (slope_x, slope_y) = (normal(rng, 0.0, 0.08), normal(rng, 0.0, 0.08));
    let below = between(rng, 0.1, 0.5);
    let print = Print::of(sheet);
    let mut pixels = Vec::with_capacity(SIDE * SIDE);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let mut sum = 0.0;
            for sample in 0..SAMPLES * SAMPLES {
                let place = |pixel: usize, sample: usize| {
                    (pixel as f64 + (sample as f64 + 0.5) / SAMPLES as f64) / SIDE as f64 - 0.5
                };
                let (x, y) = (place(column, sample % SAMPLES), place(row, sample / SAMPLES));
                let (x, y) = ((x - right) / scale, (y - down) / scale);
                let (x, y) = (x * cosine + y * sine, y * cosine - x * sine);
                sum += print.at(x, y).unwrap_or(below) + slope_x * x + slope_y * y;
            }
            let grey = sum / (SAMPLES * SAMPLES) as f64;
            let seen =
                0.5 + scanner.contrast * (grey - 0.5) + scanner.brightness + normal(rng, 0.0, scanner.noise);
            // Clamped to a byte.
            pixels.push((255.0 * seen.clamp(0.0, 1.0)).round() as u8);
        }
    }
    pixels
}
