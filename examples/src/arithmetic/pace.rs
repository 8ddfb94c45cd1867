//! How long something takes beside its limit, on a machine that does other things too.

use std::fmt;
use std::time::Instant;

/// Seconds that one call takes.
pub(super) fn seconds(work: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// What was measured of two things that took turns.
pub(super) struct Beside {
    /// Seconds of the limit: the median of all turns.
    pub(super) limit: f64,
    /// Seconds of what is measured: median, least, most.
    pub(super) found: [f64; 3],
    /// Limit by found of each turn, which other work on the machine disturbs alike: the median.
    pub(super) ratio: f64,
}

/// Lets both take turns, so often.
pub(super) fn beside(turns: usize, limit: &mut dyn FnMut(), work: &mut dyn FnMut()) -> Beside {
    limit();
    work();
    let (mut limits, mut found, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns.max(1) {
        let (allowed, took) = (seconds(limit), seconds(work));
        limits.push(allowed);
        found.push(took);
        ratios.push(allowed / took);
    }
    Beside {
        limit: middle(&mut limits),
        found: {
            let median = middle(&mut found);
            [median, found[0], found[found.len() - 1]]
        },
        ratio: middle(&mut ratios),
    }
}

/// Sorts, and gives the median.
pub(super) fn middle(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Seconds in words.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// A median with its spread, in words.
pub(super) fn spread([median, least, most]: [f64; 3]) -> String {
    format!("{} ({} to {})", time(median), time(least), time(most))
}

/// One line of the table.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) found: String,
    pub(super) ratio: Option<f64>,
    pub(super) limit: String,
    pub(super) goal: &'static str,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = self.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let Self {
            what,
            found,
            limit,
            goal,
            ..
        } = self;
        write!(f, "| {what} | {found} | {ratio} | {limit} | {goal} |")
    }
}
