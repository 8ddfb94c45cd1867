//! Who is left out when banks complain about each other's parcels.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::BankIndex;

/// The largest cohort that a simple rule finds in which nobody complained about anybody: while there is a complaint, the bank with the most
/// complaints by and about it goes. Honest banks never complain about each other, so somebody who complains about
/// many, or is complained about by many, goes first.
pub(super) fn without_complaints(
    ready: &BTreeMap<BankIndex, Vec<BankIndex>>,
) -> (Vec<BankIndex>, Vec<BankIndex>) {
    let mut cohort: BTreeSet<BankIndex> = ready.keys().copied().collect();
    let mut left_out = Vec::new();
    loop {
        let mut count: BTreeMap<BankIndex, (usize, usize)> = BTreeMap::new();
        for (by, complaints) in ready.iter().filter(|(by, _)| cohort.contains(by)) {
            for about in complaints.iter().filter(|about| cohort.contains(about)) {
                count.entry(*by).or_default().0 += 1;
                let about = count.entry(*about).or_default();
                about.0 += 1;
                about.1 += 1;
            }
        }
        // Between equals the one complained about goes: it sent the parcel.
        let Some((worst, _)) = count
            .into_iter()
            .max_by_key(|(bank, count)| (*count, std::cmp::Reverse(*bank)))
        else {
            return (cohort.into_iter().collect(), left_out);
        };
        cohort.remove(&worst);
        left_out.push(worst);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bank(index: u16) -> BankIndex {
        BankIndex::new(index).unwrap()
    }

    fn split(complaints: &[(u16, &[u16])]) -> (Vec<u16>, Vec<u16>) {
        let ready = complaints
            .iter()
            .map(|(by, about)| (bank(*by), about.iter().map(|about| bank(*about)).collect()))
            .collect();
        let (cohort, left_out) = without_complaints(&ready);
        let numbers = |banks: Vec<BankIndex>| banks.iter().map(|bank| bank.get()).collect();
        (numbers(cohort), numbers(left_out))
    }

    #[test]
    fn a_bank_that_sent_bad_parcels_or_slanders_all_goes_alone() {
        assert_eq!(split(&[(1, &[]), (2, &[]), (3, &[])]), (vec![1, 2, 3], vec![]));
        assert_eq!(split(&[(1, &[3]), (2, &[3]), (3, &[])]), (vec![1, 2], vec![3]));
        assert_eq!(split(&[(1, &[]), (2, &[]), (3, &[1, 2])]), (vec![1, 2], vec![3]));
        assert_eq!(split(&[(1, &[2]), (2, &[]), (3, &[])]), (vec![1, 3], vec![2]));
        assert_eq!(split(&[(1, &[9]), (2, &[]), (3, &[])]), (vec![1, 2, 3], vec![]));
    }
}
