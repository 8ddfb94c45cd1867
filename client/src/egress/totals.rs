//! Sums by day, which stay when the lines are gone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use super::record::{FRAMED, Record};

/// Days that are kept one by one; what is older is one sum.
const DAYS: usize = 1100;

/// A day by UTC, as `2026-11-29`.
pub type Day = String;

/// How much of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// How often.
    pub times: u64,
    /// How many bytes in all.
    pub bytes: u64,
    /// Bytes that were counted before they were sent, and were not sent: they are not among `bytes`.
    #[serde(default)]
    pub stayed: u64,
}

impl Count {
    fn take(&mut self, record: &Record) {
        if record.stayed {
            self.bytes = self.bytes.saturating_sub(record.bytes);
            self.stayed = self.stayed.saturating_add(record.bytes);
        } else {
            self.times += 1;
            self.bytes = self.bytes.saturating_add(record.bytes);
        }
    }

    fn join(&mut self, other: Self) {
        self.times = self.times.saturating_add(other.times);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.stayed = self.stayed.saturating_add(other.stayed);
    }
}

/// Counts by the words of their kinds.
pub(super) type Kinds = BTreeMap<String, Count>;

/// Everything that left, by day and kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// The number of the last line that is in here.
    pub(super) through: u64,
    /// Each day on which something left, the earliest first.
    days: BTreeMap<Day, Kinds>,
    /// What is older than those days.
    #[serde(default)]
    before: Kinds,
}

impl Totals {
    pub(super) fn take(&mut self, record: &Record) {
        self.through = self.through.max(record.n);
        let kinds = self.days.entry(day(record.at)).or_default();
        kinds.entry(record.kind.clone()).or_default().take(record);
        while self.days.len() > DAYS {
            let Some((_, oldest)) = self.days.pop_first() else {
                break;
            };
            for (kind, count) in oldest {
                self.before.entry(kind).or_default().join(count);
            }
        }
    }

    /// Each day with its counts by kind, the earliest first; whole connections are left out.
    pub fn days(&self) -> impl DoubleEndedIterator<Item = (&Day, impl Iterator<Item = (&str, Count)>)> {
        self.days.iter().map(|(day, kinds)| {
            let kinds = kinds.iter().filter(|(kind, _)| !kind.starts_with(FRAMED));
            (day, kinds.map(|(kind, count)| (kind.as_str(), *count)))
        })
    }

    /// Of everything since the beginning, by kind; whole connections are left out.
    pub fn kinds(&self) -> BTreeMap<&str, Count> {
        let mut sums: BTreeMap<&str, Count> = BTreeMap::new();
        for (kind, count) in self.all().filter(|(kind, _)| !kind.starts_with(FRAMED)) {
            sums.entry(kind).or_default().join(*count);
        }
        sums
    }

    /// Of everything but whole connections: how much in all.
    pub fn sum(&self) -> Count {
        let mut sum = Count::default();
        self.kinds().into_values().for_each(|count| sum.join(count));
        sum
    }

    /// Bytes of whole connections, with what TLS and QUIC add.
    pub fn framed(&self) -> u64 {
        let framed = self.all().filter(|(kind, _)| kind.starts_with(FRAMED));
        framed.fold(0, |sum, (_, count)| sum.saturating_add(count.bytes))
    }

    fn all(&self) -> impl Iterator<Item = (&str, &Count)> {
        let days = self.days.values().chain([&self.before]);
        days.flatten().map(|(kind, count)| (kind.as_str(), count))
    }
}

fn day(at: u64) -> Day {
    let seconds = i64::try_from(at / 1000).unwrap_or_default();
    let date = OffsetDateTime::from_unix_timestamp(seconds).map_or(Date::MIN, OffsetDateTime::date);
    format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: u64, at: u64, kind: &str, bytes: u64) -> Record {
        Record {
            n,
            at,
            kind: kind.to_owned(),
            round: None,
            task: None,
            bytes,
            stayed: false,
        }
    }

    const DAY: u64 = 86_400_000;

    #[test]
    fn sums_are_by_day_and_kind_and_what_stayed_is_taken_back() {
        let mut totals = Totals::default();
        totals.take(&record(1, DAY - 1, "ready", 100));
        totals.take(&record(2, DAY, "ready", 10));
        totals.take(&record(3, DAY, "masked-vector", 1000));
        totals.take(&Record {
            stayed: true,
            ..record(4, DAY, "masked-vector", 400)
        });
        totals.take(&record(5, DAY, "framed-tcp", 900));
        let days: Vec<_> = totals
            .days()
            .map(|(day, kinds)| {
                (
                    day.as_str(),
                    kinds.map(|(kind, count)| (kind, count.bytes)).collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(
            days,
            [
                ("1970-01-01", vec![("ready", 100)]),
                ("1970-01-02", vec![("masked-vector", 600), ("ready", 10)]),
            ]
        );
        assert_eq!(
            totals.sum(),
            Count {
                times: 3,
                bytes: 710,
                stayed: 400
            }
        );
        assert_eq!((totals.framed(), totals.through), (900, 5));
    }

    #[test]
    fn days_are_bounded_and_their_sum_stays() {
        let mut totals = Totals::default();
        let days = u64::try_from(DAYS).unwrap_or(0) + 50;
        for at in 0..days {
            totals.take(&record(at + 1, at * DAY, "hello", 3));
        }
        assert_eq!(totals.days().count(), DAYS);
        assert_eq!(
            totals.sum(),
            Count {
                times: days,
                bytes: 3 * days,
                stayed: 0
            }
        );
    }
}
