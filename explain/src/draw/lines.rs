//! Features below each other: their names on the left, and an axis under what is drawn of them.

use maud::{Markup, html};
use veilsum_pictures::frame::{Axis, Scale, WIDTH, number, text, ticks};

use crate::feature::shortened;

/// Of a letter of 14 units and of one of 12, about.
const LETTER: f64 = 8.0;
const SMALL: f64 = 7.0;
/// Letters of a name that are drawn; the table beside a picture has all of them.
const LONGEST: usize = 22;
const BOTTOM: f64 = 46.0;

/// Where features lie.
pub(super) struct Lines {
    top: f64,
    step: f64,
    count: usize,
    left: f64,
    right: f64,
}

impl Lines {
    /// `labels` are names with what stands under each, if anything does; the axis ends `margin` before the drawing's edge.
    pub(super) fn new(labels: &[(String, String)], top: f64, step: f64, margin: f64) -> Self {
        let width = |(name, under): &(String, String)| {
            let (name, second) = broken(name, under.is_empty());
            let letters = name.chars().count().max(second.chars().count()) as f64;
            let under = shortened(under, LONGEST + 3).chars().count() as f64;
            f64::max(LETTER * letters, SMALL * under)
        };
        let longest = labels.iter().map(width).fold(0.0, f64::max);
        Self {
            top,
            step,
            count: labels.len(),
            left: (longest + 14.0).clamp(60.0, 0.45 * WIDTH),
            right: WIDTH - margin,
        }
    }

    /// Where amounts lie.
    pub(super) fn scale(&self, span: (f64, f64)) -> Scale {
        Scale::new(span, (self.left, self.right))
    }

    /// The middle of a line.
    pub(super) fn middle(&self, line: usize) -> f64 {
        self.top + self.step * (line as f64 + 0.5)
    }

    /// Under the last line.
    pub(super) fn bottom(&self) -> f64 {
        self.top + self.step * self.count as f64
    }

    /// The whole drawing's.
    pub(super) fn height(&self) -> f64 {
        self.bottom() + BOTTOM
    }

    pub(super) fn names(&self, labels: &[(String, String)]) -> Markup {
        html! {
            @for (line, (name, under)) in labels.iter().enumerate() {
                @let middle = self.middle(line);
                @let (first, second) = broken(name, under.is_empty());
                @let lift = if second.is_empty() && under.is_empty() { 5.0 } else { -2.0 };
                (text(self.left - 8.0, middle + lift, "end", "p-ink", &first))
                @if !second.is_empty() { (text(self.left - 8.0, middle + 13.0, "end", "p-ink", &second)) }
                @if !under.is_empty() {
                    (text(self.left - 8.0, middle + 13.0, "end", "p-soft e-small", &shortened(under, LONGEST + 3)))
                }
            }
        }
    }

    /// Grid lines with their numbers, and a stronger one at 0 where that is inside.
    pub(super) fn axis(&self, x: Scale, span: (f64, f64), name: &str) -> Markup {
        let axis = Axis {
            about: 4,
            ..Axis::of(name)
        };
        let (values, decimals) = ticks(x, &axis);
        let bottom = self.bottom();
        html! {
            g.p-grid {
                @for value in &values {
                    @let at = x.at(*value);
                    line x1=(number(at)) y1=(number(self.top)) x2=(number(at)) y2=(number(bottom + 4.0)) {}
                    (text(at, bottom + 18.0, "middle", "p-soft", &axis.word(*value, decimals).replace('-', "−")))
                }
            }
            @if span.0 <= 0.0 && span.1 >= 0.0 {
                @let at = number(x.at(0.0));
                line.e-zero x1=(at) y1=(number(self.top)) x2=(at) y2=(number(bottom + 4.0)) {}
            }
            @let (half, middle) = (Self::room(name) / 2.0, (self.left + self.right) / 2.0);
            (text(middle.min(WIDTH - half), bottom + 38.0, "middle", "p-soft", name))
        }
    }

    /// How wide the part with the axis is.
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    /// How wide words are, about.
    pub(super) fn room(words: &str) -> f64 {
        LETTER * words.chars().count() as f64 + 8.0
    }
}

/// A name on one line, or on two where it is long and there is room for a second.
fn broken(name: &str, is_roomy: bool) -> (String, String) {
    let fits = name.chars().count() <= LONGEST;
    let head: String = name.chars().take(LONGEST + 1).collect();
    match head.rfind(' ').filter(|at| is_roomy && !fits && *at > 0) {
        Some(at) => (name[..at].to_owned(), shortened(name[at..].trim_start(), LONGEST)),
        None => (shortened(name, LONGEST), String::new()),
    }
}
