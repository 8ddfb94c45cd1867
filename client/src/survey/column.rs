use super::distinct::Distinct;
use super::histogram::Histogram;
use super::spread::{Spread, quantile};
use crate::data::moment::{Moment, is_date};
use crate::data::{count_words, decimal};

/// What exports write where there is no value, beside nothing at all.
const MARKERS: [&str; 14] = [
    "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "Null", "null", "None", "none", "?", "-", ".",
];
/// Texts in a column of numbers that are kept to be shown.
const ODD_ONES: usize = 4;

/// One column, cell by cell.
pub(super) struct ColumnSurvey {
    pub(super) name: String,
    pub(super) cells: u64,
    pub(super) empty: u64,
    /// How often each of [`MARKERS`] was met.
    markers: [u64; MARKERS.len()],
    pub(super) numbers: u64,
    whole: u64,
    /// Numbers such as 007, which are codes.
    zero_led: u64,
    dates: u64,
    texts: u64,
    /// The first texts that are neither number nor date.
    pub(super) odd: Vec<String>,
    pub(super) earliest: Option<(Moment, String)>,
    pub(super) latest: Option<(Moment, String)>,
    /// Whether each number was greater than the one before it.
    pub(super) ascending: bool,
    last: f64,
    pub(super) distinct: Distinct,
    spread: Spread,
    /// Words of each text.
    words: Spread,
}

/// What most cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    Nothing,
    Number { whole: bool },
    Date,
    Text,
}

/// What is known of a column's numbers.
pub(super) struct Numbers {
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) mean: f64,
    pub(super) deviation: f64,
    /// Whether the upper or the lower tail is far longer than the middle is wide.
    pub(super) heavy_tail: bool,
    buckets: Vec<(f64, f64, u64)>,
    whole: bool,
}

impl Numbers {
    pub(super) fn quantile(&self, q: f64) -> f64 {
        quantile(&self.buckets, q)
    }

    pub(super) fn histogram(&self) -> Histogram {
        Histogram::new(&self.buckets, self.whole, self.heavy_tail)
    }
}

impl ColumnSurvey {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            cells: 0,
            empty: 0,
            markers: [0; MARKERS.len()],
            numbers: 0,
            whole: 0,
            zero_led: 0,
            dates: 0,
            texts: 0,
            odd: Vec::new(),
            earliest: None,
            latest: None,
            ascending: true,
            last: f64::NEG_INFINITY,
            distinct: Distinct::new(),
            spread: Spread::default(),
            words: Spread::default(),
        }
    }

    /// Takes a trimmed cell.
    pub(super) fn add(&mut self, cell: &str) {
        self.cells += 1;
        if cell.is_empty() {
            self.empty += 1;
            return;
        }
        if let Some(marker) = MARKERS.iter().position(|marker| *marker == cell) {
            self.markers[marker] += 1;
            return;
        }
        self.distinct.add(cell);
        match decimal::parse(cell).filter(|number| number.is_finite()) {
            Some(number) => {
                self.numbers += 1;
                self.whole += u64::from(number.fract() == 0.0);
                let digits = cell.trim_start_matches(['-', '+']);
                let zero_led = digits.starts_with('0') && digits.len() > 1 && !digits.contains('.');
                self.zero_led += u64::from(zero_led);
                self.ascending &= number > self.last;
                self.last = number;
                self.spread.add(number);
            }
            None if is_date(cell) => self.add_date(cell),
            None => {
                self.texts += 1;
                self.words.add(count_words(cell) as f64);
                if self.odd.len() < ODD_ONES && !self.odd.iter().any(|odd| odd == cell) {
                    self.odd.push(cell.to_owned());
                }
            }
        }
    }

    fn add_date(&mut self, cell: &str) {
        self.dates += 1;
        let Some(moment) = Moment::parse(cell) else {
            return;
        };
        let dated = || Some((moment, cell.to_owned()));
        if self.earliest.as_ref().is_none_or(|known| moment < known.0) {
            self.earliest = dated();
        }
        if self.latest.as_ref().is_none_or(|known| moment > known.0) {
            self.latest = dated();
        }
    }

    /// Cells that hold something other than a marker.
    pub(super) fn present(&self) -> u64 {
        self.numbers + self.dates + self.texts
    }

    /// The markers that were met.
    pub(super) fn markers(&self) -> Vec<&'static str> {
        let met = MARKERS.iter().zip(&self.markers).filter(|(_, count)| **count > 0);
        met.map(|(marker, _)| *marker).collect()
    }

    pub(super) fn missing(&self) -> u64 {
        self.cells - self.present()
    }

    pub(super) fn nature(&self) -> Nature {
        let present = self.present();
        // A few odd texts among numbers are more likely another spelling of "no value" than categories.
        let most = |count: u64| count > 0 && count >= present - present / 10;
        match present {
            0 => Nature::Nothing,
            _ if self.zero_led > 0 => Nature::Text,
            _ if most(self.numbers) => Nature::Number {
                whole: self.whole == self.numbers,
            },
            _ if most(self.dates) => Nature::Date,
            _ => Nature::Text,
        }
    }

    /// Texts where nearly all cells are numbers or dates: how many.
    pub(super) fn strays(&self) -> u64 {
        match self.nature() {
            Nature::Number { .. } => self.dates + self.texts,
            Nature::Date => self.numbers + self.texts,
            Nature::Nothing | Nature::Text => 0,
        }
    }

    /// How many words the texts of a column of texts have: at 5, 50 and 95 %, and at most.
    pub(super) fn words(&self) -> Option<[f64; 4]> {
        if self.nature() != Nature::Text || self.texts == 0 {
            return None;
        }
        let buckets = self.words.buckets();
        let [low, middle, high] = [0.05, 0.5, 0.95].map(|q| quantile(&buckets, q).round());
        Some([low, middle, high, self.words.ends().1])
    }

    /// The numbers of a column of numbers.
    pub(super) fn numbers(&self) -> Option<Numbers> {
        let Nature::Number { whole } = self.nature() else {
            return None;
        };
        let (least, most) = self.spread.ends();
        // One by one where that is possible, else by the sketch.
        let exact = self.distinct.values().map(|values| {
            let mut points: Vec<_> = values
                .iter()
                .filter_map(|(text, count)| Some((decimal::parse(text).filter(|x| x.is_finite())?, *count)))
                .map(|(number, count)| (number, number, count))
                .collect();
            points.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            points
        });
        let buckets = exact.unwrap_or_else(|| self.spread.buckets());
        let at = |q| quantile(&buckets, q);
        let (low, middle, high) = (at(0.001), at(0.5), at(0.999));
        let width = (at(0.75) - at(0.25)).max(f64::MIN_POSITIVE);
        let heavy_tail = self.spread.count() >= 100
            && at(0.75) > at(0.25)
            && (high - middle > 10.0 * width || middle - low > 10.0 * width);
        Some(Numbers {
            least,
            most,
            mean: self.spread.mean(),
            deviation: self.spread.deviation(),
            heavy_tail,
            buckets,
            whole,
        })
    }
}
