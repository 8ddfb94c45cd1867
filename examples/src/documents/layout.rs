//! Where things stand on each kind of document.

use rand_chacha::ChaCha8Rng;

use super::KINDS;
use super::sheet::{Block, Sheet};
use crate::draw::{between, chance, whole};

const PAPER: f64 = 0.92;

/// A printer that puts blocks on a sheet.
struct Printer<'a> {
    rng: &'a mut ChaCha8Rng,
    blocks: Vec<Block>,
}

/// A sheet of the kind with this number in [`KINDS`].
pub(super) fn sheet(rng: &mut ChaCha8Rng, kind: usize) -> Sheet {
    let mut printer = Printer {
        rng,
        blocks: Vec::new(),
    };
    match KINDS[kind] {
        "identity card" => printer.identity_card(),
        "cheque" => printer.cheque(),
        "invoice" => printer.invoice(),
        "form" => printer.form(),
        "letter" => printer.letter(),
        "receipt" => printer.receipt(),
        "statement" => printer.statement(),
        _ => printer.envelope(),
    }
    Sheet {
        blocks: printer.blocks,
    }
}

impl Printer<'_> {
    /// A sheet about so wide and high; its left, top, right and bottom.
    fn paper(&mut self, width: f64, height: f64) -> [f64; 4] {
        let width = width * between(self.rng, 0.93, 1.07);
        let height = height * between(self.rng, 0.93, 1.07);
        let edges = [-width / 2.0, -height / 2.0, width / 2.0, height / 2.0];
        let grey = between(self.rng, PAPER - 0.08, PAPER + 0.06);
        self.block(edges, grey);
        edges
    }

    fn block(&mut self, [left, top, right, bottom]: [f64; 4], grey: f64) {
        self.blocks.push(Block {
            left,
            top,
            right,
            bottom,
            grey,
        });
    }

    fn ink(&mut self) -> f64 {
        between(self.rng, 0.08, 0.4)
    }

    /// A line of words from left to right.
    fn words(&mut self, left: f64, right: f64, top: f64, height: f64) {
        let ink = self.ink();
        let mut at = left;
        while at < right {
            let end = (at + between(self.rng, 0.04, 0.13)).min(right);
            self.block([at, top, end, top + height], ink);
            at = end + between(self.rng, 0.012, 0.03);
        }
    }

    /// Lines of words below each other; the last of them may end early. Gives the bottom.
    fn lines(&mut self, count: u32, [left, right]: [f64; 2], top: f64, gap: f64) -> f64 {
        let mut top = top;
        for line in 1..=count {
            let last = line == count;
            let end = if last {
                between(self.rng, 0.4, 1.0)
            } else {
                between(self.rng, 0.85, 1.0)
            };
            self.words(left, left + (right - left) * end, top, gap * 0.5);
            top += gap;
        }
        top
    }

    /// An empty box with a border.
    fn frame(&mut self, [left, top, right, bottom]: [f64; 4], inside: f64) {
        let ink = self.ink();
        let line = 0.016;
        self.block([left, top, right, bottom], ink);
        self.block([left + line, top + line, right - line, bottom - line], inside);
    }

    fn identity_card(&mut self) {
        let [left, top, right, bottom] = self.paper(0.88, 0.56);
        let tint = between(self.rng, 0.6, 0.8);
        let band = between(self.rng, 0.07, 0.12);
        self.block([left, top, right, top + band], tint);
        let photo = between(self.rng, 0.2, 0.26);
        // Photos stand on the left; on some cards on the right.
        let (photo_left, text) = if chance(self.rng, 0.8) {
            (left + 0.05, [left + 0.1 + photo, right - 0.05])
        } else {
            (right - 0.05 - photo, [left + 0.05, right - 0.1 - photo])
        };
        let head = between(self.rng, 0.2, 0.45);
        self.block([photo_left, top + 0.16, photo_left + photo, bottom - 0.07], head);
        let face = between(self.rng, 0.55, 0.8);
        let middle = photo_left + photo / 2.0;
        self.block([middle - 0.05, top + 0.2, middle + 0.05, top + 0.32], face);
        let count = whole(self.rng, 3, 4);
        self.lines(count, text, top + 0.18, 0.08);
    }

    fn cheque(&mut self) {
        let [left, top, right, bottom] = self.paper(0.96, 0.44);
        self.words(left + 0.05, left + 0.35, top + 0.05, 0.04);
        self.words(right - 0.25, right - 0.06, top + 0.05, 0.025);
        let line_top = top + between(self.rng, 0.15, 0.19);
        let ink = self.ink();
        self.block([left + 0.05, line_top, right - 0.3, line_top + 0.014], ink);
        self.block([left + 0.05, line_top + 0.08, right - 0.3, line_top + 0.094], ink);
        self.frame(
            [right - 0.26, line_top - 0.05, right - 0.05, line_top + 0.04],
            PAPER,
        );
        // The signature, and the numbers along the edge.
        let (from, to) = (right - between(self.rng, 0.36, 0.4), right - 0.06);
        self.words(from, to, bottom - 0.15, 0.05);
        let mut at = left + 0.08;
        while at < right - 0.15 {
            self.block([at, bottom - 0.055, at + 0.018, bottom - 0.02], ink);
            at += 0.034;
        }
    }

    fn invoice(&mut self) {
        let [left, top, right, bottom] = self.paper(0.68, 0.94);
        let logo = between(self.rng, 0.12, 0.2);
        let ink = self.ink();
        self.block([left + 0.05, top + 0.05, left + 0.05 + logo, top + 0.13], ink);
        self.lines(3, [right - 0.26, right - 0.05], top + 0.06, 0.045);
        let table = top + between(self.rng, 0.26, 0.33);
        self.block([left + 0.05, table, right - 0.05, table + 0.045], 0.55);
        let rows = whole(self.rng, 3, 5);
        let mut at = table + 0.07;
        for _ in 0..rows {
            let end = left + between(self.rng, 0.28, 0.42);
            self.words(left + 0.06, end, at, 0.025);
            self.words(right - 0.15, right - 0.06, at, 0.025);
            at += 0.065;
        }
        self.frame([right - 0.3, at + 0.02, right - 0.05, at + 0.11], 0.75);
        self.words(left + 0.05, right - 0.1, bottom - 0.06, 0.02);
    }

    fn form(&mut self) {
        let [left, top, right, bottom] = self.paper(0.68, 0.94);
        self.words(left + 0.12, right - 0.12, top + 0.05, 0.045);
        let mut at = top + between(self.rng, 0.14, 0.18);
        while at + 0.12 < bottom {
            let label = left + between(self.rng, 0.15, 0.22);
            self.words(left + 0.05, label, at + 0.03, 0.025);
            if chance(self.rng, 0.3) {
                for place in 0..whole(self.rng, 2, 3) {
                    let x = left + 0.28 + 0.12 * f64::from(place);
                    let inside = if chance(self.rng, 0.3) { 0.3 } else { PAPER };
                    self.frame([x, at + 0.01, x + 0.06, at + 0.07], inside);
                }
            } else {
                self.frame([left + 0.26, at, right - 0.05, at + 0.08], PAPER);
                if chance(self.rng, 0.6) {
                    let end = right - between(self.rng, 0.1, 0.25);
                    self.words(left + 0.29, end, at + 0.03, 0.025);
                }
            }
            at += between(self.rng, 0.1, 0.13);
        }
    }

    fn letter(&mut self) {
        let [left, top, right, bottom] = self.paper(0.68, 0.94);
        self.lines(3, [left + 0.06, left + 0.3], top + 0.07, 0.045);
        let date = top + between(self.rng, 0.2, 0.24);
        self.words(right - 0.22, right - 0.06, date, 0.022);
        let mut at = top + between(self.rng, 0.28, 0.33);
        for _ in 0..whole(self.rng, 2, 3) {
            let count = whole(self.rng, 3, 4);
            at = self.lines(count, [left + 0.06, right - 0.06], at, 0.045) + 0.03;
            if at > bottom - 0.22 {
                break;
            }
        }
        let (from, to) = (left + 0.06, left + between(self.rng, 0.2, 0.3));
        self.words(from, to, at + 0.02, 0.05);
    }

    fn receipt(&mut self) {
        let [left, top, right, bottom] = self.paper(0.4, 0.94);
        self.words(left + 0.07, right - 0.07, top + 0.05, 0.05);
        let mut at = top + 0.15;
        for _ in 0..whole(self.rng, 4, 8) {
            let end = left + between(self.rng, 0.14, 0.22);
            self.words(left + 0.04, end, at, 0.022);
            self.words(right - 0.09, right - 0.04, at, 0.022);
            at += 0.05;
        }
        let ink = self.ink();
        self.block([left + 0.04, at + 0.01, right - 0.04, at + 0.025], ink);
        self.block([right - 0.16, at + 0.045, right - 0.04, at + 0.09], ink);
        if chance(self.rng, 0.7) {
            let mut bar = left + 0.06;
            while bar < right - 0.07 {
                let width = between(self.rng, 0.008, 0.02);
                self.block([bar, bottom - 0.13, bar + width, bottom - 0.04], ink);
                bar += width + between(self.rng, 0.01, 0.02);
            }
        }
    }

    fn statement(&mut self) {
        let [left, top, right, bottom] = self.paper(0.68, 0.94);
        let tint = between(self.rng, 0.35, 0.6);
        let band = between(self.rng, 0.08, 0.12);
        self.block([left, top, right, top + band], tint);
        let mut at = top + between(self.rng, 0.16, 0.22);
        let ink = self.ink();
        let begin = at;
        while at + 0.05 < bottom - 0.05 {
            let end = left + between(self.rng, 0.26, 0.38);
            self.words(left + 0.05, left + 0.12, at, 0.02);
            self.words(left + 0.15, end, at, 0.02);
            self.words(right - 0.26, right - 0.18, at, 0.02);
            self.words(right - 0.13, right - 0.05, at, 0.02);
            at += 0.05;
        }
        for x in [left + 0.135, right - 0.285, right - 0.155] {
            self.block([x, begin, x + 0.01, at], ink);
        }
    }

    fn envelope(&mut self) {
        let [left, top, right, bottom] = self.paper(0.94, 0.6);
        let stamp = self.ink();
        let width = between(self.rng, 0.1, 0.15);
        self.block([right - 0.06 - width, top + 0.05, right - 0.06, top + 0.2], stamp);
        let inside = if chance(self.rng, 0.5) { 0.8 } else { PAPER };
        let (x, y) = (
            left + between(self.rng, 0.12, 0.4),
            top + between(self.rng, 0.24, 0.3),
        );
        if inside < PAPER {
            self.block([x - 0.03, y - 0.03, x + 0.36, y + 0.2], inside);
        }
        self.lines(3, [x, x + 0.32], y, 0.06);
        if chance(self.rng, 0.6) {
            self.lines(2, [left + 0.05, left + 0.25], top + 0.05, 0.04);
        }
        if chance(self.rng, 0.4) {
            self.words(left + 0.3, right - 0.06, bottom - 0.06, 0.03);
        }
    }
}
