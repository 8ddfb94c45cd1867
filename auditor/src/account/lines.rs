//! Labels and values for a terminal, as `show round` prints them.

use std::fmt::Write as _;

use crate::verify::examined::Standing;

/// Failures that are printed; JSON has all.
const SHOWN: usize = 10;

/// Several lines, each a label and a value.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn titled(title: &str) -> Self {
        Self(format!("{title}\n"))
    }

    pub(super) fn push(&mut self, label: &str, value: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "  {label:<13} {value}");
    }

    pub(super) fn standing(&mut self, standing: &Standing) {
        for failed in standing.here.iter().take(SHOWN) {
            self.push("FAILED", failed);
        }
        if let Some(more @ 1..) = standing.here.len().checked_sub(SHOWN) {
            self.push("FAILED", &format!("and {more} more; --json lists all"));
        }
        if standing.here.is_empty() {
            self.push("checks", "the log's own checks of what is told here pass");
        }
        if standing.elsewhere > 0 {
            let words = format!("{} findings elsewhere in the log; run verify", standing.elsewhere);
            self.push("beware", &words);
        }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// Numbers with runs drawn together: `1-3, 5`.
pub(super) fn ranges(numbers: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let words = runs.iter().map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn runs_of_numbers_are_drawn_together() {
        assert_eq!(ranges(&[]), "");
        assert_eq!(ranges(&[7]), "7");
        assert_eq!(ranges(&[1, 2, 3, 5, 8, 9]), "1-3, 5, 8-9");
        assert_eq!(
            ranges(&[u64::MAX - 1, u64::MAX]),
            format!("{}-{}", u64::MAX - 1, u64::MAX)
        );
    }
}
