//! What remains of a round when its entries are checked: what is told of it, and what a late acknowledgement is compared with. The signatures and
//! most hashes are gone, so that a long log fits into little memory.

use veilsum_protocol::ids::{BankIndex, Digest, Round, Timestamp};
use veilsum_protocol::log::entry::AbortReason;
use veilsum_protocol::model::Metrics;
use veilsum_protocol::round::params::RoundKind;

use super::history::{Logged, RoundHistory, Stage};

/// A round whose entries are checked.
#[derive(Debug)]
pub(crate) struct RoundRecord {
    pub(crate) round: Round,
    /// Index of its first entry.
    pub(crate) begins_at: u64,
    pub(crate) stage: Stage,
    pub(crate) open: Option<Opened>,
    /// Banks in the manifest.
    pub(crate) prepared: Option<Box<[BankIndex]>>,
    pub(crate) cohort: Option<Box<[BankIndex]>>,
    pub(crate) survivors: Option<Box<[BankIndex]>>,
    /// Banks that signed the list of survivors.
    pub(crate) signers: Box<[BankIndex]>,
    /// Banks that released shares.
    pub(crate) releasers: Box<[BankIndex]>,
    pub(crate) result: Option<Published>,
    pub(crate) acks: Vec<Acknowledged>,
    pub(crate) abort: Option<Aborted>,
}

/// What the round was opened for.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) task: Digest,
    pub(crate) kind: RoundKind,
    pub(crate) step: u32,
    pub(crate) attempt: u32,
    pub(crate) state: Digest,
    pub(crate) opened_at: Timestamp,
}

/// Its result.
#[derive(Debug)]
pub(crate) struct Published {
    /// Index of the entry.
    pub(crate) index: u64,
    pub(crate) step: u32,
    pub(crate) sum: Digest,
    pub(crate) survivors: u16,
    pub(crate) weight: u64,
    pub(crate) next_state: Digest,
    pub(crate) metrics: Option<Metrics>,
}

/// A bank's acknowledgement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) bank: BankIndex,
    /// Whether it names the published state.
    pub(crate) agrees: bool,
}

/// How it was aborted.
#[derive(Debug)]
pub(crate) struct Aborted {
    /// Index of the entry.
    pub(crate) index: u64,
    pub(crate) reason: AbortReason,
    pub(crate) after_release: bool,
}

impl RoundRecord {
    /// Whether it has its result or was aborted.
    pub(crate) fn is_over(&self) -> bool {
        self.stage >= Stage::Result
    }

    /// Index of the entry with which it came to its end.
    pub(crate) fn ended_at(&self) -> Option<u64> {
        let result = self.result.as_ref().map(|result| result.index);
        result.or(self.abort.as_ref().map(|abort| abort.index))
    }
}

fn banks<T>(pairs: &Logged<Vec<(BankIndex, T)>>) -> Box<[BankIndex]> {
    pairs.value.iter().map(|(bank, _)| *bank).collect()
}

impl From<RoundHistory> for RoundRecord {
    fn from(history: RoundHistory) -> Self {
        let state = history.result.as_ref().map(|result| result.value.next_state);
        let manifest = history.manifest.as_ref().map(|logged| &logged.value.bundles);
        let acks = history.acks.iter().map(|logged| Acknowledged {
            bank: logged.value.bank,
            agrees: Some(logged.value.state) == state,
        });
        Self {
            round: history.round,
            begins_at: history.begins_at,
            stage: history.stage,
            open: history.open.as_ref().map(|logged| Opened {
                task: logged.value.task,
                kind: logged.value.kind,
                step: logged.value.step,
                attempt: logged.value.attempt,
                state: logged.value.state,
                opened_at: logged.value.opened_at,
            }),
            prepared: manifest.map(|bundles| bundles.iter().map(|(bank, _)| *bank).collect()),
            cohort: history
                .cohort
                .as_ref()
                .map(|logged| logged.value.as_slice().into()),
            survivors: history.survivors.as_ref().map(banks),
            signers: history.certificate.as_ref().map(banks).unwrap_or_default(),
            releasers: history.releases.iter().map(|logged| logged.value.0).collect(),
            acks: acks.collect(),
            result: history.result.as_ref().map(|logged| Published {
                index: logged.index,
                step: logged.value.step,
                sum: logged.value.sum,
                survivors: logged.value.survivors,
                weight: logged.value.weight,
                next_state: logged.value.next_state,
                metrics: logged.value.metrics.clone(),
            }),
            abort: history.abort.as_ref().map(|logged| Aborted {
                index: logged.index,
                reason: logged.value.reason,
                after_release: logged.value.after_release,
            }),
        }
    }
}
