//! Who is left out when banks complain about each other's parcels.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::ids::BankIndex;

/// A large cohort in which nobody complained about anybody: while there is a complaint, the bank with the most complaints by and about
/// it goes. Honest banks never complain about each other, so somebody who complains about many, or is complained about by many,
/// goes first. Several liars together can still throw out a bank that they all complain about.
///
/// Between two that complain and have as many, nothing says who lies: both go, so that a false complaint costs its author as much as
/// its target. Where fewer than `least` would remain, only the one complained about goes: it sent the parcel.
pub(super) fn without_complaints(
    ready: &BTreeMap<BankIndex, Vec<BankIndex>>,
    least: usize,
) -> Vec<BankIndex> {
    let mut cohort: BTreeSet<BankIndex> = ready.keys().copied().collect();
    loop {
        // By and about a bank, then about it alone.
        let mut count: BTreeMap<BankIndex, (usize, usize)> = BTreeMap::new();
        let mut pairs = BTreeSet::new();
        for (by, complaints) in ready.iter().filter(|(by, _)| cohort.contains(by)) {
            for about in complaints.iter().filter(|about| cohort.contains(about)) {
                count.entry(*by).or_default().0 += 1;
                let complained = count.entry(*about).or_default();
                complained.0 += 1;
                complained.1 += 1;
                pairs.extend([(*by, *about), (*about, *by)]);
            }
        }
        let first = |found: &mut dyn Iterator<Item = (&BankIndex, &(usize, usize))>| {
            found
                .max_by_key(|(bank, count)| (**count, Reverse(**bank)))
                .map(|(bank, count)| (*bank, count.0))
        };
        let Some((worst, complaints)) = first(&mut count.iter()) else {
            return cohort.into_iter().collect();
        };
        let equal = first(
            &mut count
                .iter()
                .filter(|(bank, count)| count.0 == complaints && pairs.contains(&(worst, **bank))),
        );
        cohort.remove(&worst);
        if let Some((equal, _)) = equal.filter(|_| cohort.len() > least) {
            cohort.remove(&equal);
        }
    }
}

/// All complaints with both their sides, and whom they cost the round; `None` if there are none.
pub(super) fn complaints_told(
    ready: &BTreeMap<BankIndex, Vec<BankIndex>>,
    cohort: &[BankIndex],
) -> Option<String> {
    let list = |banks: &[BankIndex]| {
        let banks: Vec<String> = banks.iter().map(BankIndex::to_string).collect();
        banks.join(", ")
    };
    let told: Vec<String> = ready
        .iter()
        .filter(|(_, about)| !about.is_empty())
        .map(|(by, about)| format!("bank {by} about {}", list(about)))
        .collect();
    if told.is_empty() {
        return None;
    }
    let left_out: Vec<BankIndex> = ready
        .keys()
        .copied()
        .filter(|bank| !cohort.contains(bank))
        .collect();
    let left_out = if left_out.is_empty() {
        "nobody".to_owned()
    } else {
        list(&left_out)
    };
    Some(format!(
        "complaints about parcels: {}; left out: {left_out}",
        told.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn bank(index: u16) -> BankIndex {
        BankIndex::new(index).unwrap()
    }

    fn ready(complaints: &[(u16, &[u16])]) -> BTreeMap<BankIndex, Vec<BankIndex>> {
        complaints
            .iter()
            .map(|(by, about)| (bank(*by), about.iter().map(|about| bank(*about)).collect()))
            .collect()
    }

    fn cohort(complaints: &[(u16, &[u16])], least: usize) -> Vec<u16> {
        let cohort = without_complaints(&ready(complaints), least);
        cohort.iter().map(|bank| bank.get()).collect()
    }

    /// `banks` that are ready, of which some complain.
    fn among(banks: u16, complaints: &[(u16, &[u16])], least: usize) -> Vec<u16> {
        let mut all: Vec<(u16, &[u16])> = (1..=banks).map(|bank| (bank, [].as_slice())).collect();
        for (by, about) in complaints {
            all[usize::from(*by) - 1].1 = about;
        }
        cohort(&all, least)
    }

    #[test]
    fn a_bank_that_sent_bad_parcels_or_slanders_many_goes_alone() {
        assert_eq!(among(4, &[], 2), [1, 2, 3, 4]);
        assert_eq!(among(4, &[(1, &[4]), (2, &[4])], 2), [1, 2, 3]);
        assert_eq!(among(4, &[(4, &[1, 2])], 2), [1, 2, 3]);
        // About a bank that is not ready.
        assert_eq!(cohort(&[(1, &[9]), (2, &[]), (3, &[])], 2), [1, 2, 3]);
    }

    #[test]
    fn one_false_complaint_costs_its_author_as_much_as_its_target() {
        for complaints in [[(2, [5].as_slice())], [(5, &[2])]] {
            assert_eq!(among(10, &complaints, 7), [1, 3, 4, 6, 7, 8, 9, 10]);
            assert_eq!(among(10, &complaints, 8), [1, 3, 4, 6, 7, 8, 9, 10]);
        }
        // Two pairs; and both of a pair about each other.
        assert_eq!(among(10, &[(2, &[5]), (3, &[6])], 6), [1, 4, 7, 8, 9, 10]);
        assert_eq!(among(10, &[(2, &[5]), (5, &[2])], 7), [1, 3, 4, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn where_only_one_can_go_it_is_the_one_complained_about() {
        assert_eq!(among(10, &[(2, &[5])], 9), [1, 2, 3, 4, 6, 7, 8, 9, 10]);
        assert_eq!(among(5, &[(2, &[5])], 4), [1, 2, 3, 4]);
        assert_eq!(among(5, &[(5, &[2])], 4), [1, 3, 4, 5]);
        // The first pair goes whole, of the second only one can.
        assert_eq!(among(10, &[(2, &[5]), (3, &[6])], 7), [1, 3, 4, 7, 8, 9, 10]);
    }

    #[test]
    fn both_sides_of_every_complaint_are_told() {
        let complaints = ready(&[(1, &[]), (2, &[3, 5]), (3, &[5]), (5, &[])]);
        let told = complaints_told(&complaints, &[bank(1), bank(2)]).unwrap();
        assert_eq!(
            told,
            "complaints about parcels: bank 2 about 3, 5; bank 3 about 5; left out: 3, 5"
        );
        assert_eq!(complaints_told(&ready(&[(1, &[]), (2, &[])]), &[]), None);
        let told = complaints_told(&ready(&[(1, &[9])]), &[bank(1)]).unwrap();
        assert!(told.ends_with("left out: nobody"), "{told}");
    }

    proptest! {
        #[test]
        fn no_complaint_is_left(pairs in proptest::collection::vec((1u16..=12, 1u16..=12), 0..40), least in 1usize..=12) {
            let mut ready: BTreeMap<BankIndex, Vec<BankIndex>> =
                (1..=12).map(|index| (bank(index), Vec::new())).collect();
            for (by, about) in pairs.into_iter().filter(|(by, about)| by != about) {
                ready.get_mut(&bank(by)).unwrap().push(bank(about));
            }
            ready.values_mut().for_each(|about| {
                about.sort_unstable();
                about.dedup();
            });
            let cohort = without_complaints(&ready, least);
            for by in &cohort {
                prop_assert_eq!(ready[by].iter().find(|about| cohort.contains(about)), None);
            }
        }

        /// Honest banks never complain about each other, so every complaint is by or about the one liar. It goes, and takes at most
        /// one other bank with it.
        #[test]
        fn a_lone_liar_pays_for_every_complaint(
            liar in 1u16..=12,
            about in proptest::collection::btree_set(1u16..=12, 0..12),
            by in proptest::collection::btree_set(1u16..=12, 0..12),
        ) {
            let others = |set: BTreeSet<u16>| set.into_iter().filter(|index| *index != liar).map(bank).collect::<Vec<_>>();
            let (about, by) = (others(about), others(by));
            let mut ready: BTreeMap<BankIndex, Vec<BankIndex>> =
                (1..=12).map(|index| (bank(index), Vec::new())).collect();
            for by in &by {
                ready.get_mut(by).unwrap().push(bank(liar));
            }
            let complaints = about.len() + by.len();
            ready.insert(bank(liar), about);
            let cohort = without_complaints(&ready, 10);
            prop_assert_eq!(cohort.contains(&bank(liar)), complaints == 0);
            prop_assert!(cohort.len() >= 10, "{cohort:?}");
        }
    }
}
