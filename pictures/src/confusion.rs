//! Which label was taken for which: a heat map, by shares of the rows with a label.

use maud::{Markup, html};
use veilsum_protocol::model::{BinarySums, ClassSums, Figure, Metrics};
use veilsum_protocol::task::{LabelKind, Task};

use super::frame::{HEIGHT, WIDTH, number, rect, svg, text};
use super::{Cut, Picture, percent};

/// Most classes of a picture that takes half a page.
const FEW: usize = 8;
/// Most classes whose cells hold numbers.
const NUMBERED: usize = 14;
/// Most cells that are drawn; those with the greatest shares are.
const MOST_CELLS: usize = 6_000;
/// Confusions that are told in words.
const TOLD: usize = 5;
const WIDE: f64 = 900.0;
const EDGE: f64 = 12.0;

/// Counts by true and by predicted class.
struct Matrix<'a> {
    names: Vec<String>,
    counts: &'a [u64],
}

/// Where a matrix is drawn.
struct Place {
    /// Left and upper end of the cells.
    origin: (f64, f64),
    /// Width and height of a cell.
    cell: (f64, f64),
    font: f64,
    /// Every so many names are written.
    every: usize,
    size: (f64, f64),
}

/// What is not empty, by its place.
struct Cell {
    seen: usize,
    taken: usize,
    count: u64,
    /// Of the rows with the class.
    share: f64,
}

pub(super) fn at_cut(sums: &BinarySums, cut: Cut) -> Picture {
    let parts = |histogram: &[u64]| -> [u64; 2] {
        let (below, from) = histogram.split_at(cut.bin.min(histogram.len()));
        [below.iter().sum(), from.iter().sum()]
    };
    let [[kept, alarms], [misses, hits]] = [parts(&sums.negatives), parts(&sums.positives)];
    let counts = [kept, alarms, misses, hits];
    let matrix = Matrix {
        names: vec!["0".to_owned(), "1".to_owned()],
        counts: &counts,
    };
    let share = |part: u64, of: u64| {
        (of > 0)
            .then(|| part as f64 / of as f64)
            .map_or("undefined".to_owned(), |share| format!("{share:.4}"))
    };
    let told = format!(
        "With the threshold {:.3}: accuracy {}, F1 {}.",
        cut.score,
        share(kept + hits, sums.rows),
        share(2 * hits, 2 * hits + alarms + misses)
    );
    matrix.picture(&told)
}

pub(super) fn of_classes(task: &Task, sums: &ClassSums, metrics: &Metrics) -> Picture {
    let classes = sums.confusion.len().isqrt();
    let named: &[String] = match &task.schema.label_kind {
        LabelKind::Classes(kind) => &kind.values,
        _ => &[],
    };
    let name = |class: usize| {
        named
            .get(class)
            .cloned()
            .unwrap_or_else(|| format!("class {class}"))
    };
    let matrix = Matrix {
        names: (0..classes).map(name).collect(),
        counts: &sums.confusion,
    };
    let figure = |figure| {
        metrics
            .figure(figure)
            .map_or("undefined".to_owned(), |value| format!("{value:.4}"))
    };
    let told = format!(
        "Accuracy {}, macro F1 {}.{}",
        figure(Figure::Accuracy),
        figure(Figure::MacroF1),
        matrix.worst()
    );
    matrix.picture(&told)
}

impl Matrix<'_> {
    fn classes(&self) -> usize {
        self.names.len()
    }

    /// By place. Where there are too many, those with the greatest shares.
    fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for (seen, counts) in self.counts.chunks(self.classes().max(1)).enumerate() {
            let rows = counts.iter().sum::<u64>().max(1) as f64;
            let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            cells.extend(filled.map(|(taken, &count)| Cell {
                seen,
                taken,
                count,
                share: count as f64 / rows,
            }));
        }
        if cells.len() > MOST_CELLS {
            cells.sort_by(|one, other| other.share.total_cmp(&one.share));
            cells.truncate(MOST_CELLS);
            cells.sort_by_key(|cell| (cell.seen, cell.taken));
        }
        cells
    }

    fn name(&self, class: usize) -> &str {
        self.names.get(class).map_or("", String::as_str)
    }

    /// The confusions with the most rows, in words.
    fn worst(&self) -> String {
        let mut wrong = self.cells();
        wrong.retain(|cell| cell.seen != cell.taken);
        wrong.sort_by_key(|cell| std::cmp::Reverse(cell.count));
        let told: Vec<String> = wrong
            .iter()
            .take(TOLD)
            .map(|cell| {
                let (seen, taken) = (self.name(cell.seen), self.name(cell.taken));
                format!(
                    "{seen} for {taken} ({} rows, {})",
                    cell.count,
                    percent(cell.share)
                )
            })
            .collect();
        if told.is_empty() {
            " No row was taken for another class.".to_owned()
        } else {
            format!(" Taken for another most often: {}.", told.join("; "))
        }
    }

    fn place(&self) -> Place {
        let classes = self.classes().max(1) as f64;
        let few = self.classes() <= FEW;
        let longest = self
            .names
            .iter()
            .map(|name| short(name).chars().count() + if few { 2 } else { 0 })
            .max()
            .unwrap_or(1) as f64;
        let width = if few { WIDTH } else { WIDE };
        let font = if few {
            14.0
        } else {
            (WIDE * 0.8 / classes * 0.95).clamp(8.0, 13.0)
        };
        // Room for the longest name, and for the word of the axis before it.
        let names = longest * font * 0.56 + 10.0;
        let left = names + 26.0;
        let across = (width - left - EDGE) / classes;
        let (top, down) = if few {
            (58.0, (HEIGHT - 58.0 - EDGE) / classes)
        } else {
            (names + 30.0, across)
        };
        Place {
            origin: (left, top),
            cell: (across, down),
            font,
            every: (font / across.min(down)).ceil().max(1.0) as usize,
            size: (width, top + down * classes + EDGE),
        }
    }

    fn picture(&self, told: &str) -> Picture {
        let place = self.place();
        let cells = self.cells();
        let (left, top) = place.origin;
        let (across, down) = place.cell;
        let classes = self.classes() as f64;
        let middle = |at: usize, start: f64, step: f64| start + (at as f64 + 0.5) * step;
        let named = (0..self.classes()).step_by(place.every);
        let flat = self.classes() <= FEW;
        // Columns too narrow for names have numbers, and the lines say whose.
        let fits = |name: &String| across > 7.6 * short(name).chars().count() as f64;
        let numbered = flat && !self.names.iter().all(fits);
        let size = format!("font-size:{}px", number(place.font));
        let inside = html! {
            (rect((left, top), (across * classes, down * classes), "p-sheet"))
            @for cell in &cells { (self.cell(cell, &place)) }
            g style=(size) {
                @for class in named {
                    @let name = short(self.name(class));
                    @let line = if numbered { format!("{} {name}", class + 1) } else { name.clone() };
                    (text(left - 8.0, middle(class, top, down) + place.font * 0.35, "end", "p-soft", &line))
                    @let x = middle(class, left, across);
                    @if numbered {
                        (text(x, top - 8.0, "middle", "p-soft", &(class + 1).to_string()))
                    } @else if flat {
                        (text(x, top - 8.0, "middle", "p-soft", &name))
                    } @else {
                        @let x = x + place.font * 0.35;
                        g transform={ "rotate(-90 " (number(x)) " " (number(top - 8.0)) ")" } {
                            (text(x, top - 8.0, "start", "p-soft", &name))
                        }
                    }
                }
            }
            (text(left + across * classes / 2.0, 16.0, "middle", "p-soft", "taken for"))
            @let (x, y) = (14.0, top + down * classes / 2.0);
            g transform={ "rotate(-90 " (number(x)) " " (number(y)) ")" } { (text(x, y, "middle", "p-soft", "true label")) }
        };
        let (width, height) = place.size;
        let spoken = if self.classes() <= FEW {
            let lines = self.counts.chunks(self.classes().max(1)).enumerate();
            let lines: Vec<String> = lines
                .map(|(seen, counts)| {
                    let counts: Vec<String> = counts
                        .iter()
                        .enumerate()
                        .map(|(taken, count)| format!("{count} for {}", self.name(taken)))
                        .collect();
                    format!("of {} were taken {}", self.name(seen), counts.join(", "))
                })
                .collect();
            format!("Confusion matrix: {}.", lines.join("; "))
        } else {
            format!("Confusion matrix of {} classes. {told}", self.classes())
        };
        Picture {
            title: "Confusion matrix".to_owned(),
            caption: format!(
                "{told} A line is a true label, a column what it was taken for; the darker, the greater the share of the line's rows. Right is of one colour, \
                 wrong of another."
            ),
            svg: svg(width, height, "Confusion matrix", &spoken, &inside),
            wide: self.classes() > FEW,
        }
    }

    fn cell(&self, cell: &Cell, place: &Place) -> Markup {
        let (across, down) = place.cell;
        let x = place.origin.0 + cell.taken as f64 * across;
        let y = place.origin.1 + cell.seen as f64 * down;
        // The root lets small shares be seen.
        let opacity = 0.06 + 0.94 * cell.share.sqrt();
        let class = if cell.seen == cell.taken {
            "p-cell p-main"
        } else {
            "p-cell p-second"
        };
        let on = if opacity > 0.55 { "p-on" } else { "p-ink" };
        let gap = if across > 6.0 { 1.0 } else { 0.0 };
        let (seen, taken) = (self.name(cell.seen), self.name(cell.taken));
        let (x_middle, y_middle) = (x + across / 2.0, y + down / 2.0);
        html! {
            g {
                title { (seen) " taken for " (taken) ": " (cell.count) " rows, " (percent(cell.share)) }
                rect.(class) x=(number(x)) y=(number(y)) width=(number(across - gap)) height=(number(down - gap))
                    fill-opacity=(format!("{opacity:.2}")) {}
                @if self.classes() <= 4 {
                    (text(x_middle, y_middle - 2.0, "middle", on, &cell.count.to_string()))
                    (text(x_middle, y_middle + 16.0, "middle", on, &percent(cell.share)))
                } @else if self.classes() <= NUMBERED {
                    (text(x_middle, y_middle + 5.0, "middle", on, &cell.count.to_string()))
                }
            }
        }
    }
}

/// A name that fits beside the cells.
fn short(name: &str) -> String {
    const MOST: usize = 20;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    name.chars().take(MOST - 1).chain(['…']).collect()
}
