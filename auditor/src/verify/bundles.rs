//! What the banks prepared for a round, from the archive: neither its index nor its blobs are believed.

use std::collections::BTreeMap;

use veilsum_protocol::crypto::signing::VerifyingKey;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::round::prepare::{self, check_bundle};
use veilsum_protocol::wire::message::Bundle;

use super::archive::{Archive, ArchiveError};
use super::history::{History, RoundHistory};
use super::report::{Check, Ledger, Place};
use super::retention::Leave;

/// The bundles of the whole cohort, each signed by its bank and named by the manifest; nothing if one is not to be had. Every bundle that the
/// index names must be there and right, those of banks that prepared and were not in the cohort too. Unless `needed` says that a sum
/// or a share hangs on it, the index may be missing; with `leave` anything may.
pub(crate) fn of_cohort(
    archive: &Archive,
    history: &History,
    round: &RoundHistory,
    needed: bool,
    leave: &Leave,
    ledger: &mut Ledger,
) -> Option<BTreeMap<BankIndex, Bundle>> {
    let manifest = round.manifest.as_ref()?;
    let (open, cohort) = (&round.open.as_ref()?.value, &round.cohort.as_ref()?.value);
    let place = Place::of(round.round, manifest.index);
    let index = match archive.round_index(round.round) {
        Ok(index) => index,
        Err(ArchiveError::Missing { .. }) if !needed => return None,
        Err(error) => {
            if let Some(found) = leave.refuse(&error) {
                let expected = "an index of the round's bundles";
                ledger.fail(Check::ArchivedBundle, place, found, expected);
            }
            return None;
        }
    };
    let path = archive.index_path(round.round);
    let named: BTreeMap<BankIndex, Digest> = manifest.value.bundles.iter().copied().collect();
    let roster = history.roster_at(manifest.index)?;
    let read = |bank: BankIndex| {
        let found = |words: &str| Some(words.to_owned());
        let blob = index
            .get(&bank)
            .ok_or_else(|| found("an index without this bank"))?;
        let bundle = archive.bundle(blob).map_err(|error| leave.refuse(&error))?;
        let key = roster
            .value
            .bank(bank)
            .ok_or_else(|| found("a bank outside the roster"))?;
        let of = prepare::Place {
            epoch: open.epoch,
            round: open.round,
            bank,
        };
        check_bundle(&bundle, of, open.thresholds.banks, &VerifyingKey(key.signing_key))
            .map_err(|rejection| Some(rejection.to_string()))?;
        let header = bundle.header.hash();
        if named.get(&bank) == Some(&header) {
            Ok(bundle)
        } else {
            Err(Some(format!("a bundle with header {header}")))
        }
    };
    let mut bundles = BTreeMap::new();
    let beside = index.keys().filter(|bank| !cohort.contains(bank));
    for bank in cohort.iter().chain(beside) {
        match read(*bank) {
            Ok(bundle) => {
                ledger.pass(Check::ArchivedBundle);
                bundles.insert(*bank, bundle);
            }
            Err(None) => {}
            Err(Some(found)) => {
                let expected = match named.get(bank) {
                    Some(header) => format!("bank {bank}'s signed bundle with header {header}"),
                    None => format!("bank {bank} in the manifest"),
                };
                let found = format!("{found}, by {}", path.display());
                ledger.fail(Check::ArchivedBundle, place, found, expected);
            }
        }
    }
    bundles.retain(|bank, _| cohort.contains(bank));
    (bundles.len() == cohort.len()).then_some(bundles)
}
