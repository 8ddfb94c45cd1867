//! Whether enough banks have seen what the auditor sees: the cosignatures under the head, and the receipts that banks hold.

use std::collections::BTreeMap;

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::receipt::Proven;
use veilsum_protocol::log::{
    Receipt, ReceiptError, VerifiedCheckpoint, VerifierKey, Witnesses, cosignatures_needed,
};
use veilsum_protocol::roster::Roster;

use super::history::History;
use super::report::{Check, Ledger, Place};

/// A receipt that somebody holds, as a file that nobody has checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldReceipt {
    /// Whose it is, or where it comes from, for messages.
    pub name: String,
    /// The file's contents.
    pub file: Vec<u8>,
}

/// The head is cosigned by enough banks of the last roster in the log, and no line claims to be a bank's that is not. A head that ends with a change
/// of the roster is one that the banks of the roster before have cosigned: they act on it.
pub(crate) fn head(history: &History, head: &VerifiedCheckpoint, ledger: &mut Ledger) {
    if head.checkpoint().size == 0 {
        return;
    }
    let place = Place::default();
    let mut rosters = history.rosters.iter().rev();
    let last = rosters.next();
    let before = rosters
        .next()
        .filter(|_| last.is_some_and(|last| last.index + 1 == head.checkpoint().size));
    let roster = before.or(last).map(|logged| &logged.value);
    let Some((roster, needed)) = roster.and_then(|roster| Some((roster, cosignatures_needed(roster)?)))
    else {
        let found = "a checkpoint over a log without a roster";
        ledger.fail(Check::Witnesses, place, found, "one that its banks have cosigned");
        return;
    };
    let seen = Witnesses::of(roster).seen(head.note());
    let name = |bank| roster.bank(bank).map_or("a bank", |entry| entry.name.as_str());
    for bank in &seen.forged {
        let found = format!("a line of {} that is not its cosignature", name(*bank));
        ledger.fail(
            Check::Witnesses,
            place,
            found,
            "cosignatures under this checkpoint",
        );
    }
    if seen.by.len() >= needed {
        ledger.pass(Check::Witnesses);
    } else {
        let found = match seen.by.len() {
            0 => "a checkpoint that no bank has cosigned".to_owned(),
            count => format!("a checkpoint that {count} banks have cosigned"),
        };
        ledger.fail(
            Check::Witnesses,
            place,
            found,
            format!("at least {needed} of {}", roster.banks().len()),
        );
    }
}

/// What a receipt proves under the rosters that are known: which of them was in force is not known without the log.
///
/// # Errors
/// Why it proves nothing.
pub fn prove_receipt<'a>(
    receipt: &Receipt,
    key: &VerifierKey,
    rosters: impl IntoIterator<Item = &'a Roster>,
) -> Result<(Proven, &'a Roster), ReceiptError> {
    let mut refused = None;
    for roster in rosters {
        let needed = cosignatures_needed(roster).unwrap_or(usize::MAX);
        match receipt.verify(key, &Witnesses::of(roster), needed) {
            Ok(proven) => return Ok((proven, roster)),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or(ReceiptError::Witnesses {
        found: 0,
        needed: usize::MAX,
    }))
}

/// Every receipt is of an entry of this log: it proves its entry under a head, and the log has that head's root at its size.
pub(crate) fn receipts(
    held: &[HeldReceipt],
    history: &History,
    log: &VerifiedCheckpoint,
    key: &VerifierKey,
    mut root_at: impl FnMut(u64) -> Option<Digest>,
    ledger: &mut Ledger,
) {
    let mut roots: BTreeMap<u64, Option<Digest>> = BTreeMap::new();
    for receipt in held {
        let look = |roots: &mut BTreeMap<u64, Option<Digest>>,
                    root_at: &mut dyn FnMut(u64) -> Option<Digest>| {
            let file = Receipt::parse(&receipt.file)?;
            let rosters = history.rosters.iter().map(|logged| &logged.value);
            let (proven, _) = prove_receipt(&file, key, rosters)?;
            let (size, root) = (proven.head.checkpoint().size, proven.head.checkpoint().root);
            let here = *roots.entry(size).or_insert_with(|| {
                let is_last = size == log.checkpoint().size;
                if is_last {
                    Some(log.checkpoint().root)
                } else {
                    root_at(size)
                }
            });
            Ok::<_, ReceiptError>((proven.index, size, root, here))
        };
        match look(&mut roots, &mut root_at) {
            Ok((_, _, root, Some(here))) if here == root => ledger.pass(Check::Receipts),
            Ok((index, size, root, here)) => {
                let found = match here {
                    Some(here) => format!("root {here} at {size} entries"),
                    None => format!("a log of {} entries", log.checkpoint().size),
                };
                let expected = format!("root {root} at {size} entries, as in {}", receipt.name);
                ledger.fail(Check::Receipts, Place::entry(index), found, expected);
            }
            Err(error) => ledger.fail(
                Check::Receipts,
                Place::default(),
                format!("{}: {error}", receipt.name),
                "a receipt for an entry of this log",
            ),
        }
    }
}
