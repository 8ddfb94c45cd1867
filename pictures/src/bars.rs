//! Bars below each other, each with its name and its value in words.

use maud::{Markup, html};

use super::frame::{Axis, Scale, WIDTH, number, rect, text, ticks};

/// From one bar to the next.
const STEP: f64 = 34.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 46.0;
const RIGHT: f64 = 24.0;
/// Of a letter, about.
const LETTER: f64 = 7.6;
/// Of a name's letter, which must not be cut where fonts are wide.
const WIDE_LETTER: f64 = 8.4;
const LONGEST: usize = 18;

/// A bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Before it; what is too long is cut.
    pub name: String,
    /// None for a line of words.
    pub value: Option<f64>,
    /// Behind its tip.
    pub words: String,
    /// Of the style sheet, such as `p-bar p-main`.
    pub class: &'static str,
}

impl Bar {
    /// Whether its colour is too near to the paper's for words in that.
    fn faint(&self) -> bool {
        self.class.contains("p-faint")
    }
}

/// Bars from 0 to `end` of the axis, and a line across them with its words. Gives the drawing and its height.
pub fn draw(bars: &[Bar], end: f64, axis: &Axis<'_>, mark: Option<(f64, &str)>) -> (Markup, f64) {
    let longest = bars
        .iter()
        .map(|bar| short(&bar.name).chars().count())
        .max()
        .unwrap_or(0);
    let left = (WIDE_LETTER * longest as f64 + 14.0).max(52.0);
    let x = Scale::new((0.0, end), (left, WIDTH - RIGHT));
    let (right, bottom) = (WIDTH - RIGHT, TOP + STEP * bars.len() as f64);
    let (values, decimals) = ticks(x, axis);
    let drawing = html! {
        g.p-grid {
            @for value in &values {
                @let at = x.at(*value);
                line x1=(number(at)) y1=(number(TOP)) x2=(number(at)) y2=(number(bottom + 4.0)) {}
                (text(at, bottom + 18.0, "middle", "p-soft", &axis.word(*value, decimals)))
            }
        }
        @for (bar, row) in bars.iter().zip(0_u32..) {
            @if let Some(value) = bar.value {
                (rect((left, TOP + STEP * f64::from(row) + 5.0), (x.at(value) - left, STEP - 10.0), bar.class))
            }
        }
        @if let Some((value, words)) = mark {
            @let at = number(x.at(value));
            line.p-line.p-dashed.p-strong x1=(at) y1=(number(TOP - 4.0)) x2=(at) y2=(number(bottom)) {}
            @let anchor = if x.at(value) > (left + right) / 2.0 { "end" } else { "start" };
            (text(x.at(value), TOP - 10.0, anchor, "p-soft", words))
        }
        @for (bar, row) in bars.iter().zip(0_u32..) { (words(bar, TOP + STEP * (f64::from(row) + 0.5) + 5.0, x)) }
        (text((left + right) / 2.0, bottom + 38.0, "middle", "p-soft", axis.name))
    };
    (drawing, bottom + BOTTOM)
}

/// A bar's name before it, and what it says behind its tip, or within it if there is no room.
fn words(bar: &Bar, height: f64, x: Scale) -> Markup {
    let (left, right) = x.ends();
    let tip = bar.value.map_or(left, |value| x.at(value));
    let room = LETTER * bar.words.chars().count() as f64 + 10.0;
    html! {
        (text(left - 8.0, height, "end", "p-ink", &short(&bar.name)))
        @if tip + room <= right {
            (text(tip + 7.0, height, "start", if bar.value.is_some() { "p-ink p-halo" } else { "p-soft p-halo" }, &bar.words))
        } @else {
            (text(tip - 7.0, height, "end", if bar.faint() { "p-ink" } else { "p-on" }, &bar.words))
        }
    }
}

fn short(name: &str) -> String {
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    name.chars().take(LONGEST - 1).chain(['…']).collect()
}
