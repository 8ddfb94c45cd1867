use ring::digest::{Context, SHA256};

/// Which rows a bank never trains on.
///
/// A row is held out by a hash of its own cells under a salt that only the bank knows. So the choice is the same
/// in every round and after every restart, does not depend on the order of the file, cannot be guessed from
/// outside, and rows that look alike are on the same side: none is learned and then asked about.
#[derive(Clone)]
pub struct HoldOut {
    salt: [u8; 32],
    share: f64,
}

impl HoldOut {
    /// `share` of the rows, in `[0, 1]`, as in the task's `evaluation.hold_out`; `salt` is the bank's own secret.
    pub fn new(salt: [u8; 32], share: f64) -> Self {
        Self { salt, share }
    }

    /// Whether the row with these cells is held out. They are the cells that the model sees, in the schema's
    /// order, without label and left-out columns: an account number would make equal rows look different.
    pub(super) fn holds<'a>(&self, cells: impl Iterator<Item = &'a str>) -> bool {
        let mut context = Context::new(&SHA256);
        context.update(b"veilsum/v1/hold-out\0");
        context.update(&self.salt);
        for cell in cells {
            context.update(&(cell.len() as u64).to_be_bytes());
            context.update(cell.as_bytes());
        }
        let digest = context.finish();
        let draw = digest
            .as_ref()
            .iter()
            .take(6)
            .fold(0_u64, |draw, &byte| draw << 8 | u64::from(byte));
        // 48 bits are exact in f64, so a share of 1 holds every row and a share of 0 none.
        (draw as f64) < self.share * (1_u64 << 48) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(hold_out: &HoldOut, rows: u32) -> Vec<bool> {
        (0..rows)
            .map(|row| hold_out.holds(["x", &row.to_string()].into_iter()))
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
            hold_out.holds([a.as_str(), &b].into_iter()) != hold_out.holds([c.as_str(), &d].into_iter())
        });
        assert!(differ.count() > 20);
    }
}
