use std::hash::Hasher as _;

use ring::digest::{SHA256, digest};
use siphasher::sip::SipHasher13;
use veilsum_protocol::task::Split;

use super::moment::{EXPECTED, Moment};

/// Which rows a bank never trains on.
///
/// By hash, a row is held out by its own cells under a salt that only the bank knows. So the choice is the same in
/// every round and after every restart, does not depend on the order of the file, cannot be guessed from outside,
/// and rows that look alike are on the same side: none is learned and then asked about. Where rows are grouped by a key, the
/// key is hashed instead, so that a group is on one side. By column, a cell says it. By time, the latest rows are held out,
/// which is known once the last row was read.
#[derive(Clone)]
pub struct HoldOut {
    salt: [u8; 32],
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Hash { share: f64 },
    Column { column: String, held_out: Vec<String> },
    Time { column: String, share: f64 },
}

/// What a row says of its own side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Side {
    HeldOut,
    Training,
    /// The other rows decide.
    At(Moment),
}

impl Side {
    fn drawn(held_out: bool) -> Self {
        if held_out { Self::HeldOut } else { Self::Training }
    }
}

impl HoldOut {
    /// `share` of the rows by hash, in `[0, 1]`; `salt` is the bank's own secret.
    pub fn new(salt: [u8; 32], share: f64) -> Self {
        Self {
            salt,
            kind: Kind::Hash { share },
        }
    }

    /// As the task says; `salt` is the bank's own secret.
    pub fn of(salt: [u8; 32], split: &Split) -> Self {
        let kind = match split.clone() {
            Split::Hash { share } => Kind::Hash { share },
            Split::Column { column, held_out } => Kind::Column { column, held_out },
            Split::Time { column, share } => Kind::Time { column, share },
        };
        Self { salt, kind }
    }

    /// The bank's own secret.
    pub(super) fn salt(&self) -> &[u8; 32] {
        &self.salt
    }

    /// The column that has to be read for it.
    pub(super) fn column(&self) -> Option<&str> {
        match &self.kind {
            Kind::Hash { .. } => None,
            Kind::Column { column, .. } | Kind::Time { column, .. } => Some(column),
        }
    }

    /// Tells of one row after the other on which side it is.
    pub(super) fn sides<'a>(&'a self, missing: &'a [String]) -> Sides<'a> {
        let key = match &self.kind {
            Kind::Hash { share } if *share > 0.0 => Some(hash_key(&self.salt)),
            _ => None,
        };
        Sides {
            hold_out: self,
            missing,
            key,
            message: Vec::new(),
        }
    }

    /// Whether a row of this hash is in the share that is held out by hash.
    fn is_drawn(&self, hash: u64) -> bool {
        let Kind::Hash { share } = self.kind else {
            return false;
        };
        // 48 bits are exact in f64, so a share of 1 holds every row and a share of 0 none.
        ((hash >> 16) as f64) < share * (1_u64 << 48) as f64
    }

    /// The share of the rows that are held out by time; `None` where single rows tell their side.
    pub(super) fn latest(&self) -> Option<f64> {
        match self.kind {
            Kind::Time { share, .. } => Some(share),
            Kind::Hash { .. } | Kind::Column { .. } => None,
        }
    }
}

/// The key of the rows' hash: a derivation of its own, so that the salt may serve other ends.
fn hash_key(salt: &[u8; 32]) -> [u8; 16] {
    let digest = digest(&SHA256, &[b"veilsum/v1/hold-out\0".as_slice(), salt].concat());
    let mut key = [0; 16];
    key.iter_mut()
        .zip(digest.as_ref())
        .for_each(|(key, byte)| *key = *byte);
    key
}

/// Stands before the length of a cell that is too long for its length to be one byte. Most cells are short, and their lengths would be most of the
/// message.
const LONG: u8 = u8::MAX;

/// Bytes of a cell that is taken with what stands behind it.
pub(super) const SHORT: usize = 16;

/// See [`HoldOut::sides`].
#[derive(Clone)]
pub(super) struct Sides<'a> {
    hold_out: &'a HoldOut,
    missing: &'a [String],
    /// Without a key nothing is hashed.
    key: Option<[u8; 16]>,
    /// The row's cells.
    message: Vec<u8>,
}

impl Sides<'_> {
    /// Takes a cell of the row. They are those that the model sees, in the schema's order, without label and left-out
    /// columns: an account number would make equal rows look different. Of a row in a group it is the key alone.
    pub(super) fn cell(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// The same of the first `length` bytes of these.
    #[inline]
    pub(super) fn first_bytes(&mut self, bytes: &[u8; SHORT], length: usize) {
        let mut both = [0; 1 + SHORT];
        let [before, text @ ..] = &mut both;
        *before = length as u8;
        text.copy_from_slice(bytes);
        // All bytes, and those behind the cell off again: it does not matter then how many it has.
        let end = self.message.len() + 1 + length;
        self.message.extend_from_slice(&both);
        self.message.truncate(end);
    }

    /// Whether the sides depend on the rows' cells, so that those are wanted.
    pub(super) fn are_drawn(&self) -> bool {
        self.key.is_some()
    }

    /// Takes no notice of the cells since the last side.
    pub(super) fn clear(&mut self) {
        self.message.clear();
    }

    /// The same of an image's pixels.
    pub(super) fn bytes(&mut self, cell: &[u8]) {
        if self.key.is_none() {
            return;
        }
        match u8::try_from(cell.len()) {
            Ok(length) if length < LONG => self.message.push(length),
            _ => {
                self.message.push(LONG);
                self.message.extend_from_slice(&(cell.len() as u64).to_be_bytes());
            }
        }
        self.message.extend_from_slice(cell);
    }

    /// The side of the row whose cells were taken, and begins the next one. `own` is its cell of [`HoldOut::column`].
    ///
    /// # Errors
    /// If `own` tells no side; then what is expected of it.
    pub(super) fn side(&mut self, own: Option<&str>) -> Result<Side, &'static str> {
        let own = own.unwrap_or_default();
        let told = || !own.is_empty() && self.missing.iter().all(|missing| missing != own);
        match &self.hold_out.kind {
            Kind::Hash { .. } => {
                let drawn = |key| self.hold_out.is_drawn(hash(&key, &self.message));
                let held_out = self.key.is_some_and(drawn);
                self.message.clear();
                Ok(Side::drawn(held_out))
            }
            Kind::Column { held_out, .. } if told() => {
                Ok(Side::drawn(held_out.iter().any(|value| value == own)))
            }
            Kind::Column { .. } => Err("a value, which tells whether the row is held out"),
            Kind::Time { .. } if told() => Moment::parse(own).map(Side::At).ok_or(EXPECTED),
            Kind::Time { .. } => Err(EXPECTED),
        }
    }
}

/// SipHash-1-3 (of the family in Aumasson and Bernstein 2012) of a row's message, which cannot be told from chance without the key, as far as is known, and is
/// made for messages as short as rows. Fewer rounds than the authors' 2-4, as in hash tables: no forgery is to be kept off, and nobody outside sees a hash.
fn hash(key: &[u8; 16], message: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(key);
    hasher.write(message);
    hasher.finish()
}

/// The first moment that is held out, so that the share of `moments` from it on is as near to `share` as it can be with
/// a row on either side; `None` if all moments are equal. Rows of one moment are on one side: of two payments of one
/// day, none is learned from and the other asked about.
pub(super) fn first_held_out(moments: Vec<Moment>, share: f64) -> Option<Moment> {
    let mut sorted = moments;
    sorted.sort_unstable();
    let wanted = share * sorted.len() as f64;
    let kept = sorted.len().saturating_sub((wanted.round() as usize).max(1));
    let at = *sorted.get(kept)?;
    // Either the rows of this moment are held out with those after it, or they are trained on.
    let with = sorted.partition_point(|moment| *moment < at);
    let without = sorted.partition_point(|moment| *moment <= at);
    let miss = |first: usize| ((sorted.len() - first) as f64 - wanted).abs();
    let both_sides = |first: &usize| (1..sorted.len()).contains(first);
    let first = [with, without]
        .into_iter()
        .filter(both_sides)
        .min_by(|a, b| miss(*a).total_cmp(&miss(*b)))?;
    sorted.get(first).copied()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn holds(hold_out: &HoldOut, cells: [&str; 2]) -> bool {
        let mut sides = hold_out.sides(&[]);
        cells.into_iter().for_each(|cell| sides.cell(cell));
        sides.side(None).unwrap() == Side::HeldOut
    }

    fn held(hold_out: &HoldOut, rows: u32) -> Vec<bool> {
        (0..rows)
            .map(|row| holds(hold_out, ["x", &row.to_string()]))
            .collect()
    }

    #[test]
    fn the_share_is_kept_and_the_choice_is_the_bank_s_own() {
        let mine = held(&HoldOut::new([1; 32], 0.2), 10_000);
        let count = mine.iter().filter(|held| **held).count();
        // Standard deviation 40.
        assert!((1800..2200).contains(&count), "{count}");
        assert_eq!(mine, held(&HoldOut::new([1; 32], 0.2), 10_000));
        assert_ne!(mine, held(&HoldOut::new([2; 32], 0.2), 10_000));
        assert!(!held(&HoldOut::new([1; 32], 0.0), 1000).contains(&true));
        assert!(!held(&HoldOut::new([1; 32], 1.0), 1000).contains(&false));
    }

    #[test]
    fn cells_do_not_run_into_each_other() {
        let hold_out = HoldOut::new([3; 32], 0.5);
        let differ = (0..100).filter(|i| {
            let (a, b) = (format!("{i}1"), "2".to_owned());
            let (c, d) = (format!("{i}"), "12".to_owned());
            holds(&hold_out, [a.as_str(), &b]) != holds(&hold_out, [c.as_str(), &d])
        });
        assert!(differ.count() > 20);
    }

    #[test]
    fn a_long_cell_does_not_run_into_the_next_either() {
        let message = |lengths: &[usize]| {
            let hold_out = HoldOut::new([3; 32], 0.5);
            let mut sides = hold_out.sides(&[]);
            lengths.iter().for_each(|length| sides.cell(&"x".repeat(*length)));
            sides.message.clone()
        };
        // One byte of length, then nine.
        let lengths = [0, 254, 255, 256, 300].map(|length| message(&[length]).len() - length);
        assert_eq!(lengths, [1, 1, 9, 9, 9]);
        assert_ne!(message(&[254, 256]), message(&[255, 255]));
        assert_ne!(message(&[255, 0]), message(&[254, 1]));
    }

    /// Of the vectors of Rust's standard library: key 00..0f, no message.
    #[test]
    fn the_hash_is_siphash() {
        let key: [u8; 16] = std::array::from_fn(|at| at as u8);
        let found = hash(&key, &[]);
        assert_eq!(found, 0xabac_0158_050f_c4dc);
        let draw = 0xabac_0158_050f_c4dc_u64 as f64 / u64::MAX as f64;
        let drawn = |share: f64| HoldOut::new([0; 32], share).is_drawn(found);
        assert!(!drawn(draw - 1e-9) && drawn(draw + 1e-9));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_cell_is_the_same_with_what_stands_behind_it(cells in prop::collection::vec("[a-z]{0,16}", 1..9)) {
            let hold_out = HoldOut::new([7; 32], 0.5);
            let (mut one, mut other) = (hold_out.sides(&[]), hold_out.sides(&[]));
            for cell in cells {
                let behind = format!("{cell}, and more than that");
                one.first_bytes(behind.as_bytes().first_chunk().unwrap(), cell.len());
                other.cell(&cell);
                prop_assert_eq!(&one.message, &other.message);
            }
        }

        #[test]
        fn equal_times_are_on_one_side_and_both_sides_have_rows(
            times in prop::collection::vec(-20_i64..20, 0..60),
            share in 0.01..0.5,
        ) {
            let moments: Vec<_> = times.iter().map(|time| Moment::parse(&time.to_string()).unwrap()).collect();
            let distinct: std::collections::BTreeSet<_> = times.iter().collect();
            match first_held_out(moments.clone(), share) {
                None => prop_assert!(distinct.len() < 2),
                Some(first) => {
                    prop_assert!(distinct.len() > 1);
                    let held = moments.iter().filter(|moment| **moment >= first).count();
                    prop_assert!(held > 0 && held < moments.len());
                    // No other border is nearer to the share.
                    let wanted = share * moments.len() as f64;
                    let miss = |held: usize| (held as f64 - wanted).abs();
                    for border in &moments {
                        let other = moments.iter().filter(|moment| *moment >= border).count();
                        let nearer = miss(other) < miss(held) - 1.0;
                        prop_assert!(other == moments.len() || !nearer, "{other} of {} beside {held}", moments.len());
                    }
                }
            }
        }
    }
}
