//! What banks send, and what must hold before it counts.

use crate::crypto::signing::Signature;
use crate::ids::{BankIndex, Digest, Millis};
use crate::log::entry::{Entry, RoundResult};
use crate::round::active::complaints_hash;
use crate::round::checks::Check;
use crate::round::context::Context;
use crate::round::coordinator::{Action, CoordinatorRound, Phase};
use crate::round::prepare::{Place, check_bundle};
use crate::round::record::{Form, Record};
use crate::round::recover::Recovery;
use crate::wire::canonical::Canonical;
use crate::wire::message::{Bundle, Rejection};
use crate::wire::signed::Signed;
use crate::wire::statement::{Derived, Ready, Release, SurvivorList, Trailer};

impl CoordinatorRound {
    pub(super) fn bundle(&mut self, bank: BankIndex, bundle: Box<Bundle>) -> Result<Vec<Action>, Rejection> {
        if let Some(first) = self.bundles.get(&bank) {
            return same(first == bundle.as_ref());
        }
        if self.phase != Phase::Prepare || !self.plan.approved.contains(&bank) {
            return Err(self.wrong_phase());
        }
        let place = Place {
            epoch: self.plan.epoch,
            round: self.plan.round,
            bank,
        };
        check_bundle(
            &bundle,
            place,
            self.plan.thresholds.banks,
            &self.signing_key(bank)?,
        )?;
        Ok(vec![self.accept(Record::Prepared(bank, bundle), Vec::new())])
    }

    pub(super) fn ready(
        &mut self,
        bank: BankIndex,
        statement: Signed<Ready>,
        complaints: Vec<BankIndex>,
    ) -> Result<Vec<Action>, Rejection> {
        if let Some(first) = self.ready.get(&bank) {
            return same(*first == complaints);
        }
        let open = match &self.open {
            Some(open) if self.phase == Phase::Ready && self.bundles.contains_key(&bank) => open.hash(),
            _ => return Err(self.wrong_phase()),
        };
        let known = |about: &BankIndex| *about != bank && self.bundles.contains_key(about);
        if !complaints.is_sorted_by(|a, b| a < b) || !complaints.iter().all(known) {
            let detail = "the complaints are not about prepared peers, each once and in order";
            return Err(Rejection::new(Check::Malformed, detail));
        }
        let expected = Ready {
            round: self.plan.round,
            open,
            complaints: complaints_hash(&complaints),
            bank,
        };
        if statement.open(&self.signing_key(bank)?) != Some(&expected) {
            return Err(Rejection::new(Check::Signature, "under Ready"));
        }
        Ok(vec![self.accept(
            Record::Ready {
                statement,
                complaints,
            },
            Vec::new(),
        )])
    }

    /// What must hold before an update counts, or is even kept.
    ///
    /// # Errors
    /// C-701 to C-704.
    pub fn check_upload(
        &self,
        bank: BankIndex,
        trailer: &Signed<Trailer>,
        length: u64,
        hash: Digest,
    ) -> Result<(), Rejection> {
        self.expected_upload(bank)?;
        let context = self.context().ok_or_else(|| self.wrong_phase())?;
        let expected = Trailer {
            context: context.digest(),
            bank,
            length,
            hash,
        };
        let signed = trailer
            .open(&self.signing_key(bank)?)
            .ok_or_else(|| Rejection::new(Check::Signature, "under the trailer"))?;
        if *signed != expected || length != self.packed_bytes() {
            let detail = format!(
                "found {length} bytes with hash {hash:?}, signed {} bytes with {:?}",
                signed.length, signed.hash
            );
            return Err(Rejection::new(Check::Upload, detail));
        }
        Ok(())
    }

    pub(super) fn uploaded(
        &mut self,
        bank: BankIndex,
        trailer: Signed<Trailer>,
        length: u64,
        hash: Digest,
    ) -> Result<Vec<Action>, Rejection> {
        if let Some(first) = self.masked.get(&bank) {
            return same(*first == trailer);
        }
        self.check_upload(bank, &trailer, length, hash)?;
        let entry = Entry::Masked {
            round: self.plan.round,
            bank,
            hash,
            length,
            signature: trailer.signature(),
        };
        Ok(vec![self.accept(Record::Masked(trailer), vec![entry])])
    }

    pub(super) fn context(&self) -> Option<Context> {
        let open = self.open.as_ref().filter(|_| !self.cohort.is_empty())?;
        Some(Context::of(open, &self.cohort))
    }

    pub(super) fn survivor_list(&self) -> Vec<(BankIndex, Digest)> {
        self.masked
            .iter()
            .map(|(bank, trailer)| (*bank, trailer.claim().hash))
            .collect()
    }

    pub(super) fn confirm(
        &mut self,
        bank: BankIndex,
        signature: Signature,
    ) -> Result<Vec<Action>, Rejection> {
        if let Some(first) = self.confirmed.get(&bank) {
            return same(*first == signature);
        }
        let context = match self.context() {
            Some(context) if self.phase == Phase::Confirm && self.masked.contains_key(&bank) => context,
            // The certificate is complete without it.
            _ if self.phase > Phase::Confirm => return Ok(Vec::new()),
            _ => return Err(self.wrong_phase()),
        };
        let entry = Entry::Survivors {
            round: self.plan.round,
            list: self.survivor_list(),
        };
        let statement = SurvivorList {
            context: context.digest(),
            survivors: entry.hash(),
        };
        if !self.signing_key(bank)?.verifies(&statement, &signature) {
            return Err(Rejection::new(Check::Signature, "under the list of survivors"));
        }
        Ok(vec![self.accept(Record::Confirmed(bank, signature), Vec::new())])
    }

    pub(super) fn release(
        &mut self,
        bank: BankIndex,
        release: Signed<Release>,
    ) -> Result<Vec<Action>, Rejection> {
        if let Some(first) = self.releases.get(&bank) {
            return same(first == release.claim());
        }
        let context = match self.context() {
            Some(context) if self.phase == Phase::Unmask && self.masked.contains_key(&bank) => context,
            _ if self.phase > Phase::Unmask => return Ok(Vec::new()),
            _ => return Err(self.wrong_phase()),
        };
        let signed = release
            .open(&self.signing_key(bank)?)
            .filter(|body| body.bank == bank && body.context == context.digest())
            .ok_or_else(|| Rejection::new(Check::Signature, "under the released shares"))?;
        let survivors = self.masked.keys().copied().collect();
        Recovery::check_release(signed, &self.cohort, &survivors)?;
        Recovery::check_shares(signed, self.plan.epoch, self.plan.round, &self.bundles)?;
        let entry = Entry::Release {
            round: self.plan.round,
            bank,
            body: Digest::of(&release.to_bytes()),
        };
        Ok(vec![self.accept(Record::Released(release), vec![entry])])
    }

    pub(super) fn derived(
        &mut self,
        bank: BankIndex,
        derived: Signed<Derived>,
    ) -> Result<Vec<Action>, Rejection> {
        let Some(result) = self
            .result
            .as_ref()
            .filter(|_| derived.claim().round == self.plan.round)
        else {
            // An acknowledgement of an earlier round, sent again after a reconnection.
            return Ok(Vec::new());
        };
        let expected = Derived {
            round: self.plan.round,
            bank,
            state: result.next_state,
        };
        if derived.open(&self.signing_key(bank)?) != Some(&expected) {
            return Err(Rejection::new(
                Check::DerivedState,
                "the acknowledgement names another state",
            ));
        }
        if self.acknowledged.contains(&bank) {
            return Ok(Vec::new());
        }
        let entry = Entry::Ack {
            round: self.plan.round,
            bank,
            state: result.next_state,
            signature: derived.signature(),
        };
        Ok(vec![self.accept(Record::Acknowledged(bank), vec![entry])])
    }

    pub(super) fn summed(&mut self, now: Millis, result: RoundResult) -> Vec<Action> {
        if self.phase != Phase::Sum {
            // The round was stopped meanwhile.
            return Vec::new();
        }
        let entry = Entry::Result(result.clone());
        vec![self.accept(
            Record::Published {
                result: Form(result),
                at: now,
            },
            vec![entry],
        )]
    }
}

/// A repetition of what was accepted changes nothing; something else of the same kind comes too late.
fn same(same: bool) -> Result<Vec<Action>, Rejection> {
    if same {
        Ok(Vec::new())
    } else {
        Err(Rejection::new(Check::SecondMessage, "the first one counts"))
    }
}
