use ring::digest::{Context, SHA256};

/// A stream of uniform numbers from a seed, for the order of the rows: the same on every machine and device.
pub(super) struct Shuffle {
    seed: u64,
    block: u64,
    words: Vec<u64>,
}

impl Shuffle {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            block: 0,
            words: Vec::new(),
        }
    }

    /// Puts `rows` in a random order (Fisher and Yates).
    pub(super) fn shuffle(&mut self, rows: &mut [u32]) {
        for last in (1..rows.len()).rev() {
            let other = self.below(last as u64 + 1);
            rows.swap(last, other);
        }
    }

    /// Uniform in `0..bound`, but for a bias below `bound / 2^64`.
    fn below(&mut self, bound: u64) -> usize {
        let product = u128::from(self.next()) * u128::from(bound);
        usize::try_from(product >> 64).expect("below the length of a slice")
    }

    fn next(&mut self) -> u64 {
        loop {
            if let Some(word) = self.words.pop() {
                return word;
            }
            let mut context = Context::new(&SHA256);
            context.update(b"veilsum/v1/shuffle\0");
            context.update(&self.seed.to_be_bytes());
            context.update(&self.block.to_be_bytes());
            self.block += 1;
            let digest = context.finish();
            let (words, _) = digest.as_ref().as_chunks::<8>();
            self.words
                .extend(words.iter().map(|word| u64::from_be_bytes(*word)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(seed: u64, length: u32) -> Vec<u32> {
        let mut rows: Vec<u32> = (0..length).collect();
        Shuffle::new(seed).shuffle(&mut rows);
        rows
    }

    #[test]
    fn every_row_stays_once_and_the_seed_gives_the_order() {
        let shuffled = order(1, 1000);
        let mut sorted = shuffled.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_ne!(shuffled, sorted);
        assert_eq!(order(1, 1000), shuffled);
        assert_ne!(order(2, 1000), shuffled);
        assert_eq!(order(1, 0), [0; 0]);
    }

    #[test]
    fn every_order_of_three_is_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            *counts.entry(order(seed, 3)).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        // Expected 1000 each, standard deviation 29.
        assert!(
            counts.values().all(|count| (880..1120).contains(count)),
            "{counts:?}"
        );
    }
}
