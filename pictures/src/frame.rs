//! What all pictures are drawn with: scales, axes, lines and words. Colours are classes of the style sheet, so that one drawing serves light, dark
//! and paper.

use maud::{Markup, html};

/// A picture that stands beside another on a desktop and alone on a phone, in its own units.
pub const WIDTH: f64 = 430.0;
/// The height of such a picture.
pub const HEIGHT: f64 = 300.0;
/// Room for the numbers of an axis and its name.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 46.0;
/// Two points of a line that are nearer than this are one.
const NEAR: f64 = 0.3;

/// Where numbers lie on the drawing.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// `low` is drawn at `start` and `high` at `end`; a span of nothing, or of what is no number, becomes one of length 1.
    pub fn new((low, high): (f64, f64), (start, end): (f64, f64)) -> Self {
        let low = if low.is_finite() { low } else { 0.0 };
        let high = if high.is_finite() && high > low {
            high
        } else {
            low + 1.0
        };
        Self {
            low,
            high,
            start,
            end,
        }
    }

    /// Where it begins and ends on the drawing.
    pub fn ends(self) -> (f64, f64) {
        (self.start, self.end)
    }

    /// What lies outside is drawn at the nearer end.
    pub fn at(self, value: f64) -> f64 {
        let value = if value.is_finite() { value } else { self.low };
        let share = (value - self.low) / (self.high - self.low);
        self.start + share.clamp(0.0, 1.0) * (self.end - self.start)
    }
}

/// The part of a drawing between its axes.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// From left to right.
    pub x: Scale,
    /// From below to above.
    pub y: Scale,
}

/// How an axis is written on.
#[derive(Clone, Copy)]
pub struct Axis<'a> {
    /// Its name; empty for none.
    pub name: &'a str,
    /// Shares as percentages.
    pub percent: bool,
    /// No fractions of a step.
    pub whole: bool,
    /// Numbers on it, about.
    pub about: usize,
}

impl<'a> Axis<'a> {
    /// Numbers as they are.
    pub fn of(name: &'a str) -> Self {
        Self {
            name,
            percent: false,
            whole: false,
            about: 5,
        }
    }

    /// Shares as percentages.
    pub fn percent(name: &'a str) -> Self {
        Self {
            percent: true,
            ..Self::of(name)
        }
    }

    /// A number as it stands on the axis.
    pub fn word(&self, value: f64, decimals: usize) -> String {
        if self.percent {
            format!("{:.*} %", decimals.saturating_sub(2), 100.0 * value)
        } else {
            format!("{value:.decimals$}")
        }
    }
}

impl Frame {
    /// Of a picture of the usual size.
    pub fn new(x: (f64, f64), y: (f64, f64)) -> Self {
        Self {
            x: Scale::new(x, (LEFT, WIDTH - RIGHT)),
            y: Scale::new(y, (HEIGHT - BOTTOM, TOP)),
        }
    }

    /// Both axes from 0 to 1.
    pub fn unit() -> Self {
        Self::new((0.0, 1.0), (0.0, 1.0))
    }

    /// The ends of the upright axis, in its units.
    pub fn height(&self) -> (f64, f64) {
        (self.y.low, self.y.high)
    }

    /// Grid lines, numbers and names of the axes.
    pub fn grid(&self, x: &Axis<'_>, y: &Axis<'_>) -> Markup {
        let (left, right) = (self.x.start, self.x.end);
        let (bottom, top) = (self.y.start, self.y.end);
        let (columns, x_decimals) = ticks(self.x, x);
        let (rows, y_decimals) = ticks(self.y, y);
        html! {
            g.p-grid {
                @for value in &rows {
                    @let at = self.y.at(*value);
                    line x1=(number(left)) y1=(number(at)) x2=(number(right)) y2=(number(at)) {}
                    (text(left - 7.0, at + 4.5, "end", "p-soft", &y.word(*value, y_decimals)))
                }
                @for value in &columns {
                    @let at = self.x.at(*value);
                    line x1=(number(at)) y1=(number(bottom)) x2=(number(at)) y2=(number(bottom + 4.0)) {}
                    (text(at, bottom + 18.0, "middle", "p-soft", &x.word(*value, x_decimals)))
                }
            }
            (text((left + right) / 2.0, bottom + 38.0, "middle", "p-soft", x.name))
            @if !y.name.is_empty() { (text(4.0, top - 13.0, "start", "p-soft", y.name)) }
        }
    }

    /// A line through points that are given in the axes' units.
    pub fn line(&self, points: impl IntoIterator<Item = (f64, f64)>, class: &str) -> Markup {
        let d = self.path(points);
        html! { path.(class) d=(d) {} }
    }

    /// What is between a line and the lower axis.
    pub fn area(&self, points: &[(f64, f64)], class: &str) -> Markup {
        let (first, last) = (points.first(), points.last());
        let ends = first.zip(last).map(|(first, last)| {
            let bottom = self.y.start;
            format!(
                "L{} {}L{} {}Z",
                number(self.x.at(last.0)),
                number(bottom),
                number(self.x.at(first.0)),
                number(bottom)
            )
        });
        let d = self.path(points.iter().copied()) + &ends.unwrap_or_default();
        html! { path.(class) d=(d) {} }
    }

    fn path(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        let mut before: Option<(f64, f64)> = None;
        let mut points = points.into_iter().peekable();
        while let Some((x, y)) = points.next() {
            let at = (self.x.at(x), self.y.at(y));
            let near = |(x, y): (f64, f64)| (x - at.0).abs() < NEAR && (y - at.1).abs() < NEAR;
            // The last point stays, so that a line ends where it ends.
            if before.is_some_and(near) && points.peek().is_some() {
                continue;
            }
            path.push(if before.is_none() { 'M' } else { 'L' });
            path.push_str(&format!("{} {}", number(at.0), number(at.1)));
            before = Some(at);
        }
        path
    }

    /// A point that is given in the axes' units.
    pub fn dot(&self, (x, y): (f64, f64), class: &str) -> Markup {
        html! { circle.(class) cx=(number(self.x.at(x))) cy=(number(self.y.at(y))) r="5" {} }
    }

    /// Words beside a point: on its right, or on its left if there is no room.
    pub fn beside(&self, (x, y): (f64, f64), words: &str) -> Markup {
        let (at, height) = (self.x.at(x), self.y.at(y));
        let middle = (self.x.start + self.x.end) / 2.0;
        let height = (height + 5.0).clamp(self.y.end + 14.0, self.y.start - 6.0);
        if at <= middle {
            text(at + 10.0, height, "start", "p-ink p-halo", words)
        } else {
            text(at - 10.0, height, "end", "p-ink p-halo", words)
        }
    }

    /// What the lines are, above the drawing on its right.
    pub fn legend(&self, entries: &[(&str, &str)]) -> Markup {
        let mut right = self.x.end;
        let mut placed = Vec::new();
        for (class, words) in entries.iter().rev() {
            placed.push((*class, *words, right));
            right -= 7.3 * words.chars().count() as f64 + 34.0;
        }
        let height = self.y.end - 13.0;
        html! {
            @for (class, words, right) in placed {
                @let left = right - 7.3 * words.chars().count() as f64;
                line.(class) x1=(number(left - 22.0)) y1=(number(height - 5.0)) x2=(number(left - 5.0)) y2=(number(height - 5.0)) {}
                (text(left, height, "start", "p-soft", words))
            }
        }
    }
}

/// A whole drawing. `spoken` says in words what is drawn.
pub fn svg(width: f64, height: f64, title: &str, spoken: &str, inside: &Markup) -> String {
    let drawing = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (number(width)) " " (number(height)) } role="img" aria-label=(title) {
            title { (title) }
            desc { (spoken) }
            (inside)
        }
    };
    drawing.into_string()
}

/// Words at a place of the drawing.
pub fn text(x: f64, y: f64, anchor: &str, class: &str, words: &str) -> Markup {
    html! { text.(class) x=(number(x)) y=(number(y)) text-anchor=(anchor) { (words) } }
}

/// A rectangle by its upper left corner and its size.
pub fn rect((x, y): (f64, f64), (width, height): (f64, f64), class: &str) -> Markup {
    html! {
        rect.(class) x=(number(x)) y=(number(y)) width=(number(width.max(0.0))) height=(number(height.max(0.0))) {}
    }
}

/// As short as it can be said to a tenth.
pub fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// Round numbers on an axis, and the decimals that tell them apart.
pub fn ticks(scale: Scale, axis: &Axis<'_>) -> (Vec<f64>, usize) {
    let rough = (scale.high - scale.low) / axis.about.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [power, 2.0 * power, 5.0 * power, 10.0 * power];
    let step = steps.into_iter().find(|step| *step >= rough).unwrap_or(rough);
    let step = if axis.whole { step.max(1.0) } else { step };
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    let first = (scale.low / step - 1e-9).ceil();
    let values = (0..50).map(|at| (first + f64::from(at)) * step);
    let inside = values.take_while(|value| *value <= scale.high + step * 1e-6);
    (inside.collect(), decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let of = |low, high, whole| {
            let axis = Axis {
                whole,
                ..Axis::of("")
            };
            ticks(Scale::new((low, high), (0.0, 1.0)), &axis)
        };
        let words = |(values, decimals): (Vec<f64>, usize)| -> Vec<String> {
            values.iter().map(|value| format!("{value:.decimals$}")).collect()
        };
        assert_eq!(
            words(of(0.0, 1.0, false)),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(words(of(0.0, 0.037, false)), ["0.00", "0.01", "0.02", "0.03"]);
        assert_eq!(words(of(1.0, 3.0, true)), ["1", "2", "3"]);
        assert_eq!(words(of(-30.0, 10.0, false)), ["-30", "-20", "-10", "0", "10"]);
        // A span of nothing, and of what is no number.
        assert!(!of(5.0, 5.0, false).0.is_empty());
        assert!(!of(f64::NAN, f64::INFINITY, false).0.is_empty());
    }

    #[test]
    fn what_is_no_number_is_drawn_all_the_same() {
        let frame = Frame::unit();
        let line = frame
            .line([(0.0, f64::NAN), (f64::INFINITY, 1.0)], "p-line")
            .into_string();
        assert!(!line.contains("NaN") && !line.contains("inf"), "{line}");
        assert_eq!(
            (number(-0.01), number(2.0), number(2.34)),
            ("0".into(), "2".into(), "2.3".into())
        );
    }
}
