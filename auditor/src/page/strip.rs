//! Rounds as columns of a strip. Where there are many, neighbours are drawn together and a column shows their shares.

use std::ops::Range;

use maud::{Markup, html};

/// Most columns of a strip: more could not be told apart.
const MAX_COLUMNS: usize = 120;
/// Height of a strip, in its own units; the style sheet sets the height on the page.
pub(super) const HEIGHT: f64 = 60.0;
const WIDTH: f64 = 10.0;
const GAP: f64 = 1.5;

/// Which rounds stand in which column.
pub(super) struct Columns {
    rounds: usize,
    width: usize,
}

impl Columns {
    pub(super) fn of(rounds: usize) -> Self {
        Self {
            rounds,
            width: rounds.div_ceil(MAX_COLUMNS).max(1),
        }
    }

    /// Rounds in a column; the last may have fewer.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn count(&self) -> usize {
        self.rounds.div_ceil(self.width)
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let (rounds, width) = (self.rounds, self.width);
        (0..rounds)
            .step_by(width)
            .map(move |first| first..(first + width).min(rounds))
    }
}

/// A piece of a column, from the bottom up.
pub(super) struct Piece {
    pub(super) class: &'static str,
    /// Share of the strip's height.
    pub(super) height: f64,
}

/// One column with what it says to who points at it.
pub(super) struct Column {
    pub(super) pieces: Vec<Piece>,
    pub(super) title: Option<String>,
}

/// A strip that stretches to the width that it is given. `id` is unique on the page.
pub(super) fn strip(id: &str, class: &str, title: &str, description: &str, columns: &[Column]) -> Markup {
    let width = WIDTH * columns.len() as f64;
    html! {
        svg.strip.(class) viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="img"
            aria-labelledby={ (id) "-title " (id) "-desc" } {
            title id={ (id) "-title" } { (title) }
            desc id={ (id) "-desc" } { (description) }
            @for (at, column) in columns.iter().enumerate() {
                @match &column.title {
                    Some(title) => g { title { (title) } (pieces(at, &column.pieces)) },
                    None => (pieces(at, &column.pieces)),
                }
            }
        }
    }
}

fn pieces(at: usize, pieces: &[Piece]) -> Markup {
    let mut bottom = HEIGHT;
    let placed = pieces.iter().map(|piece| {
        let height = HEIGHT * piece.height.clamp(0.0, 1.0);
        bottom -= height;
        (piece.class, bottom, height)
    });
    let placed: Vec<_> = placed.collect();
    html! {
        @for (class, top, height) in placed {
            @if height > 0.0 {
                rect.(class) x=(number(WIDTH * at as f64)) y=(number(top)) width=(number(WIDTH - GAP)) height=(number(height)) {}
            }
        }
    }
}

/// As short as it can be said to a tenth.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_stands_in_one_column_and_no_strip_has_too_many() {
        for rounds in [0, 1, 119, 120, 121, 240, 241, 10_000] {
            let columns = Columns::of(rounds);
            assert!(columns.count() <= MAX_COLUMNS, "{rounds}");
            assert_eq!(columns.ranges().count(), columns.count());
            let all: Vec<usize> = columns.ranges().flatten().collect();
            assert!(all.into_iter().eq(0..rounds), "{rounds}");
        }
        assert_eq!((Columns::of(120).width(), Columns::of(10_000).width()), (1, 84));
    }
}
