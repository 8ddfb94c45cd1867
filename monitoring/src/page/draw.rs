//! Pictures of a report.

use maud::{Markup, html};
use veilsum_pictures::Picture;
use veilsum_pictures::bars::{Bar, draw as draw_bars};
use veilsum_pictures::frame::{Axis, Frame, HEIGHT, WIDTH, number, svg, text, ticks};

use crate::bins::{self, Bins};
use crate::level::Limits;
use crate::monitor::{GroupReport, Histogram, Moved, Report};
use crate::quality::Quality;

/// Columns whose line is drawn beside the score's: more could not be told apart.
const LINES: usize = 2;
/// Classes of lines.
const CLASSES: [&str; 3] = ["p-strong", "p-main", "p-second"];
/// Most points that are marked one by one.
const MOST_DOTS: usize = 40;
/// Windows that are named below the drawing.
const NAMED: usize = 4;
/// Bins of a category that are drawn: those that moved the most.
const MOST_BARS: usize = 7;
const LONGEST: usize = 16;
/// Of a letter, about.
const LETTER: f64 = 7.6;
/// Lines that are nearer have their words together.
const NEAR: f64 = 17.0;

/// The windows from left to right, and values from `low` to `high`.
struct Windows<'a> {
    frame: Frame,
    names: Vec<&'a str>,
}

impl<'a> Windows<'a> {
    fn of(report: &'a Report, (low, high): (f64, f64)) -> Self {
        let names: Vec<&str> = report.windows.iter().map(|window| window.name.as_str()).collect();
        let last = names.len().saturating_sub(1).max(1) as f64;
        Self {
            // Room on both sides, so that no dot stands on the frame.
            frame: Frame::new((-0.04 * last, 1.04 * last), (low, high)),
            names,
        }
    }

    fn grid(&self, axis: &Axis<'_>) -> Markup {
        let (left, right) = self.frame.x.ends();
        let (bottom, top) = self.frame.y.ends();
        let (rows, decimals) = ticks(self.frame.y, axis);
        let step = self.names.len().div_ceil(NAMED).max(1);
        html! {
            g.p-grid {
                @for value in &rows {
                    @let at = self.frame.y.at(*value);
                    line x1=(number(left)) y1=(number(at)) x2=(number(right)) y2=(number(at)) {}
                    (text(left - 7.0, at + 4.5, "end", "p-soft", &axis.word(*value, decimals)))
                }
                @for (place, name) in self.names.iter().enumerate().step_by(step) {
                    @let at = self.frame.x.at(place as f64);
                    line x1=(number(at)) y1=(number(bottom)) x2=(number(at)) y2=(number(bottom + 4.0)) {}
                    @let half = LETTER * short(name).chars().count() as f64 / 2.0;
                    @let (at, anchor) = if at + half > WIDTH - 2.0 { (WIDTH - 2.0, "end") } else { (at, "middle") };
                    (text(at, bottom + 18.0, anchor, "p-soft", &short(name)))
                }
            }
            (text((left + right) / 2.0, bottom + 38.0, "middle", "p-soft", "window"))
            (text(4.0, top - 13.0, "start", "p-soft", axis.name))
        }
    }

    fn line(&self, points: &[(usize, f64)], class: &str) -> Markup {
        let points: Vec<(f64, f64)> = points.iter().map(|(at, value)| (*at as f64, *value)).collect();
        html! {
            (self.frame.line(points.iter().copied(), &format!("p-line {class}")))
            @if points.len() <= MOST_DOTS { @for point in &points { (self.frame.dot(*point, &format!("p-dot {class}"))) } }
        }
    }

    /// A dashed line over all windows, with its words.
    fn mark(&self, value: f64, words: &str) -> Markup {
        let (left, right) = self.frame.x.ends();
        let at = self.frame.y.at(value);
        html! {
            line.p-line.p-thin.p-dashed x1=(number(left)) y1=(number(at)) x2=(number(right)) y2=(number(at)) {}
            (text(left + 4.0, at - 5.0, "start", "p-soft p-halo", words))
        }
    }
}

/// The index of the score and of the columns that moved the most; nothing without windows.
pub(super) fn over_time(report: &Report, moved: &[&Moved], limits: &Limits) -> Option<Picture> {
    report.windows.first()?;
    let score = report.scores.first()?;
    let lines: Vec<&Moved> = [score]
        .into_iter()
        .chain(moved.iter().copied().take(LINES))
        .collect();
    let points = |moved: &Moved| -> Vec<(usize, f64)> {
        moved.windows.iter().map(|drift| drift.psi).enumerate().collect()
    };
    let most = lines.iter().flat_map(|moved| points(moved)).map(|(_, psi)| psi);
    let most = most.fold(limits.psi.act * 1.15, f64::max);
    let windows = Windows::of(report, (0.0, most * 1.06));
    let y = windows.frame.y;
    let is_near = (y.at(limits.psi.watch) - y.at(limits.psi.act)).abs() < NEAR;
    let names: Vec<String> = lines.iter().map(|moved| short(&moved.name)).collect();
    let classes: Vec<String> = CLASSES.iter().map(|class| format!("p-line {class}")).collect();
    let legend: Vec<(&str, &str)> = classes
        .iter()
        .zip(&names)
        .map(|(class, name)| (class.as_str(), name.as_str()))
        .collect();
    let inside = html! {
        (windows.grid(&Axis::of("PSI")))
        (windows.mark(limits.psi.watch, if is_near { "" } else { "watch" }))
        (windows.mark(limits.psi.act, if is_near { "watch and act" } else { "act" }))
        @for (moved, class) in lines.iter().zip(CLASSES).rev() { (windows.line(&points(moved), class)) }
        (windows.frame.legend(&legend))
    };
    let spoken: Vec<String> = lines
        .iter()
        .map(|moved| {
            let values: Vec<String> = points(moved).iter().map(|(_, psi)| format!("{psi:.3}")).collect();
            format!("{}: {}", moved.name, values.join(", "))
        })
        .collect();
    let others = if moved.is_empty() {
        ""
    } else {
        ", and of the columns that moved the most"
    };
    Some(Picture::new(
        "Stability over time".to_owned(),
        format!(
            "Population stability index of the {}{others}, each window beside the reference. Dashed: from {} on it is worth a look, from {} on it is another \
             population.",
            score.name, limits.psi.watch, limits.psi.act
        ),
        svg(
            WIDTH,
            HEIGHT,
            "Stability over time",
            &format!("{}.", spoken.join("; ")),
            &inside,
        ),
        false,
    ))
}

/// A column, or what the model says, in the reference and in the decisions.
pub(super) fn beside(moved: &Moved) -> Option<Picture> {
    let title = format!("{}: reference and decisions", moved.name);
    let caption = format!("{}.", moved.whole.words());
    match (moved.baseline.bins(), &moved.histogram) {
        (Bins::Categories { .. }, _) => Some(categories(moved, title, caption)),
        (Bins::Numbers { .. }, Some(histogram)) => Some(numbers(moved, histogram, title, caption)),
        (Bins::Numbers { .. }, None) => None,
    }
}

fn numbers(moved: &Moved, histogram: &Histogram, title: String, caption: String) -> Picture {
    let outline = |counts: &[u64]| -> Vec<(f64, f64)> {
        let all = counts.iter().sum::<u64>().max(1) as f64;
        let width = (histogram.to - histogram.from) / counts.len().max(1) as f64;
        let edges = counts.iter().enumerate().flat_map(|(at, count)| {
            let from = histogram.from + at as f64 * width;
            let share = *count as f64 / all;
            [(from, share), (from + width, share)]
        });
        edges.collect()
    };
    let (before, now) = (outline(&histogram.reference), outline(&histogram.current));
    let most = before
        .iter()
        .chain(&now)
        .map(|point| point.1)
        .fold(1e-3, f64::max);
    let frame = Frame::new((histogram.from, histogram.to), (0.0, most * 1.08));
    let inside = html! {
        (frame.grid(&Axis::of(&moved.name), &Axis::percent("share of rows")))
        (frame.area(&before, "p-area p-second"))
        (frame.area(&now, "p-area p-main"))
        (frame.line(before.iter().copied(), "p-line p-thin p-second"))
        (frame.line(now.iter().copied(), "p-line p-thin p-main"))
        (frame.legend(&[("p-line p-second", "reference"), ("p-line p-main", "decisions")]))
    };
    let mean = |value: Option<f64>| value.map_or("none".to_owned(), bins::short);
    let means = format!(
        "Mean of the reference {}, of the decisions {}",
        mean(moved.baseline.mean()),
        mean(moved.whole.mean)
    );
    Picture::new(
        title.clone(),
        format!("{caption} {means}. Values far out are counted at the ends."),
        svg(WIDTH, HEIGHT, &title, &format!("{means}. {caption}"), &inside),
        false,
    )
}

fn categories(moved: &Moved, title: String, caption: String) -> Picture {
    let shares = |counts: &[u64]| -> Vec<f64> {
        let all = counts.iter().sum::<u64>().max(1) as f64;
        counts.iter().map(|count| *count as f64 / all).collect()
    };
    let (before, now) = (shares(moved.baseline.counts()), shares(&moved.whole.counts));
    let mut bins: Vec<(String, f64, f64)> = moved
        .baseline
        .bins()
        .names()
        .into_iter()
        .zip(before.iter().zip(&now))
        .map(|(name, (before, now))| (name, *before, *now))
        .filter(|(_, before, now)| before + now > 0.0)
        .collect();
    let all = bins.len();
    bins.sort_by(|one, other| (other.2 - other.1).abs().total_cmp(&(one.2 - one.1).abs()));
    bins.truncate(MOST_BARS);
    let bar = |name: &str, share: f64, class| Bar {
        name: name.to_owned(),
        value: Some(share),
        words: format!("{:.1} %", 100.0 * share),
        class,
    };
    let drawn: Vec<Bar> = bins
        .iter()
        .flat_map(|(name, before, now)| [bar(name, *before, "p-bar p-faint"), bar("", *now, "p-bar p-main")])
        .collect();
    let (inside, height) = draw_bars(&drawn, 1.0, &Axis::percent("share of rows"), None);
    let spoken: Vec<String> = bins
        .iter()
        .map(|(name, before, now)| {
            format!("{name}: {:.1} % before, {:.1} % now", 100.0 * before, 100.0 * now)
        })
        .collect();
    let rest = match all > bins.len() {
        true => format!(" Drawn are the {} of {all} that moved the most.", bins.len()),
        false => String::new(),
    };
    Picture::new(
        title.clone(),
        format!("{caption} Grey: the reference; in colour: the decisions.{rest}"),
        svg(WIDTH, height, &title, &format!("{}.", spoken.join("; ")), &inside),
        false,
    )
}

/// What was foretold and what came, window by window; nothing where no outcome is known.
pub(super) fn foretold(report: &Report) -> Option<Picture> {
    report.quality.as_ref()?;
    let known: Vec<(usize, &Quality)> = report
        .windows
        .iter()
        .enumerate()
        .filter_map(|(at, window)| Some((at, window.quality.as_ref()?)))
        .collect();
    let ends = known.iter().flat_map(|(_, quality)| {
        let (low, high) = quality.interval;
        [low, high, quality.expected]
    });
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), end| {
        (low.min(end), high.max(end))
    });
    let air = ((high - low) * 0.1).max(0.005);
    let windows = Windows::of(report, (low - air, high + air));
    let line = |of: fn(&Quality) -> f64| -> Vec<(usize, f64)> {
        known.iter().map(|(at, quality)| (*at, of(quality))).collect()
    };
    let inside = html! {
        (windows.grid(&Axis::of("mean")))
        @for (at, quality) in &known {
            @let (low, high) = quality.interval;
            @let x = number(windows.frame.x.at(*at as f64));
            line.p-whisker x1=(x) x2=(x) y1=(number(windows.frame.y.at(low))) y2=(number(windows.frame.y.at(high))) {}
        }
        (windows.line(&line(|quality| quality.expected), "p-second"))
        (windows.line(&line(|quality| quality.observed), "p-main"))
        (windows.frame.legend(&[("p-line p-second", "foretold"), ("p-line p-main", "came")]))
    };
    let spoken: Vec<String> = known.iter().map(|(_, quality)| quality.words()).collect();
    Some(Picture::new(
        "Foretold and seen over time".to_owned(),
        "The mean of what the model said, and of what came, over the rows whose outcome is known. Bars: the interval of 95 % of what came.".to_owned(),
        svg(WIDTH, HEIGHT, "Foretold and seen over time", &format!("{}.", spoken.join("; ")), &inside),
        false,
    ))
}

/// The impact ratio of the first columns of groups; nothing where none is defined.
pub(super) fn ratios(report: &Report, limits: &Limits) -> Option<Picture> {
    let line = |group: &GroupReport| -> Vec<(usize, f64)> {
        let ratios = group.windows.iter().enumerate();
        ratios
            .filter_map(|(at, fairness)| Some((at, fairness.impact_ratio?)))
            .collect()
    };
    let drawn: Vec<(&GroupReport, Vec<(usize, f64)>)> = report
        .groups
        .iter()
        .map(|group| (group, line(group)))
        .filter(|(_, points)| !points.is_empty())
        .take(CLASSES.len())
        .collect();
    drawn.first()?;
    let windows = Windows::of(report, (0.0, 1.05));
    let names: Vec<String> = drawn.iter().map(|(group, _)| short(&group.column)).collect();
    let classes: Vec<String> = CLASSES.iter().map(|class| format!("p-line {class}")).collect();
    let legend: Vec<(&str, &str)> = classes
        .iter()
        .zip(&names)
        .map(|(class, name)| (class.as_str(), name.as_str()))
        .collect();
    let inside = html! {
        (windows.grid(&Axis::of("impact ratio")))
        (windows.mark(limits.impact.act, "four fifths"))
        @for ((_, points), class) in drawn.iter().zip(CLASSES) { (windows.line(points, class)) }
        (windows.frame.legend(&legend))
    };
    let spoken: Vec<String> = drawn
        .iter()
        .map(|(group, points)| {
            let values: Vec<String> = points.iter().map(|(_, ratio)| format!("{ratio:.3}")).collect();
            format!("{}: {}", group.column, values.join(", "))
        })
        .collect();
    Some(Picture::new(
        "Impact ratio over time".to_owned(),
        format!(
            "The least share of favourable decisions of a group by the greatest. Below the dashed line, {}, the four-fifths rule is not kept. Windows in which \
             fewer than two groups have rows enough are left out.",
            limits.impact.act
        ),
        svg(
            WIDTH,
            HEIGHT,
            "Impact ratio over time",
            &format!("{}.", spoken.join("; ")),
            &inside,
        ),
        false,
    ))
}

/// The groups' shares of favourable decisions over all windows.
pub(super) fn favoured(group: &GroupReport, favoured: &str) -> Picture {
    let bars: Vec<Bar> = group
        .whole
        .groups
        .iter()
        .map(|share| Bar {
            name: share.group.clone(),
            value: share.favoured,
            words: match share.favoured {
                Some(told) => format!("{:.1} % of {}", 100.0 * told, share.rows),
                None => format!("{} rows, too few", share.rows),
            },
            class: "p-bar p-main",
        })
        .collect();
    let most = bars.iter().filter_map(|bar| bar.value).fold(0.0, f64::max);
    let mark = (most > 0.0).then_some((0.8 * most, "four fifths of the highest"));
    let (inside, height) = draw_bars(&bars, 1.0, &Axis::percent("favoured"), mark);
    let spoken: Vec<String> = bars
        .iter()
        .map(|bar| format!("{}: {}", bar.name, bar.words))
        .collect();
    let title = format!("Favoured by group of {}", group.column);
    Picture::new(
        title.clone(),
        format!(
            "Over all windows, the share of each group with {favoured}; {}.",
            group.whole.words()
        ),
        svg(WIDTH, height, &title, &format!("{}.", spoken.join("; ")), &inside),
        false,
    )
}

fn short(name: &str) -> String {
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    name.chars().take(LONGEST - 1).chain(['…']).collect()
}
