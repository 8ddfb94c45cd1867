//! Canonical forms: what is hashed, signed and logged.

use std::sync::LazyLock;

use veilsum_protocol::crypto::agreement::{AgreementKeys, AgreementPublic};
use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy};
use veilsum_protocol::epoch::directory::KeyDirectory;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::RosterChain;
use veilsum_protocol::log::entry::{Entry, RoundOpen, RoundResult};
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::round::params::Thresholds;
use veilsum_protocol::secagg::layout::Layout;
use veilsum_protocol::secagg::shamir::SecretScalar;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::outbound::decode_trailer;
use veilsum_protocol::wire::refusal::Refusal;
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::{
    Approval, BundleHeader, Derived, EpochKeys, Ready, Release, RosterApproval, SurvivorList, Trailer,
};

use super::played::BANKS;
use super::{Decoder, Outcome, decoder, form};
use crate::stage::consortium::{bank, roster, signing_key};

pub(super) const DECODERS: &[Decoder] = &[
    decoder(Approval::KIND, form::<Approval>),
    decoder(BundleHeader::KIND, form::<BundleHeader>),
    decoder(Derived::KIND, form::<Derived>),
    decoder(EpochKeys::KIND, form::<EpochKeys>),
    decoder(Ready::KIND, form::<Ready>),
    decoder(Refusal::KIND, form::<Refusal>),
    decoder(Release::KIND, form::<Release>),
    decoder(RosterApproval::KIND, form::<RosterApproval>),
    decoder(SurvivorList::KIND, form::<SurvivorList>),
    decoder(Trailer::KIND, form::<Trailer>),
    decoder("signed approval", signed::<Approval>),
    decoder("signed bundle", signed::<BundleHeader>),
    decoder("signed derived", signed::<Derived>),
    decoder("signed epoch-keys", signed::<EpochKeys>),
    decoder("signed ready", signed::<Ready>),
    decoder("signed refusal", signed::<Refusal>),
    decoder("signed release", signed::<Release>),
    decoder("signed roster-approval", signed::<RosterApproval>),
    decoder("trailer of an upload", trailer),
    decoder(Entry::KIND, entry),
    decoder(RoundOpen::KIND, form::<RoundOpen>),
    decoder(RoundResult::KIND, form::<RoundResult>),
    decoder(Thresholds::KIND, form::<Thresholds>),
    decoder(TaskState::KIND, form::<TaskState>),
    decoder(Layout::KIND, layout),
    decoder(KeyDirectory::KIND, directory).mended(signed_by_all),
    decoder("public agreement keys", agreement_public),
    decoder("ML-KEM ciphertext", ciphertext),
    decoder("scalar", scalar),
    decoder("digest in hex", digest),
];

fn signed<T: Canonical>(bytes: &[u8]) -> Outcome {
    Outcome::of(
        bytes,
        Signed::<T>::from_bytes(bytes).map(|signed| signed.to_bytes()),
    )
}

fn trailer(bytes: &[u8]) -> Outcome {
    Outcome::of(bytes, decode_trailer(bytes).map(|signed| signed.to_bytes()))
}

fn entry(bytes: &[u8]) -> Outcome {
    if let Ok(entry) = Entry::from_bytes(bytes) {
        entry.round();
        entry.concerns_banks();
        // As the next one of a log that has a roster.
        let mut chain = RosterChain::default();
        chain.read(&Entry::from(&*ROSTER));
        chain.read(&entry);
        if let Entry::Roster { consortium, banks } = entry {
            drop(Roster::new(consortium, banks));
        }
    }
    form::<Entry>(bytes)
}

fn layout(bytes: &[u8]) -> Outcome {
    if let Ok(layout) = Layout::from_bytes(bytes) {
        layout.lanes();
    }
    form::<Layout>(bytes)
}

static ROSTER: LazyLock<Roster> = LazyLock::new(|| roster(BANKS));

/// All that a bank looks at before it uses the keys, and their first use.
fn directory(bytes: &[u8]) -> Outcome {
    if let Ok(directory) = KeyDirectory::from_bytes(bytes)
        && directory.verify(&ROSTER, &ROSTER.hash()).is_ok()
    {
        for keys in &directory.keys {
            assert!(keys.claim().public.encapsulate(&mut Ones).is_ok());
        }
    }
    form::<KeyDirectory>(bytes)
}

fn signed_by_all(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut directory = KeyDirectory::from_bytes(bytes).ok()?;
    for (position, keys) in (1..=BANKS).zip(&mut directory.keys) {
        *keys = Signed::sign(&signing_key(bank(position)), keys.claim().clone());
    }
    Some(directory.to_bytes())
}

static KEYS: LazyLock<AgreementKeys> = LazyLock::new(|| AgreementKeys::generate(&mut SeededEntropy::new(1)));

/// Draws nothing but ones.
struct Ones;

impl Entropy for Ones {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(1);
    }
}

fn agreement_public(bytes: &[u8]) -> Outcome {
    let Some((x25519, mlkem)) = bytes.split_first_chunk::<32>() else {
        return Outcome::Refused;
    };
    let public = AgreementPublic {
        x25519: *x25519,
        mlkem: mlkem.to_vec(),
    };
    let is_valid = public.validate().is_ok();
    let is_used = public.encapsulate(&mut Ones).is_ok() & KEYS.x25519(&public).is_ok();
    assert!(!is_valid || is_used, "a valid key can be used");
    Outcome::of(
        bytes,
        is_valid.then(|| [&public.x25519, public.mlkem.as_slice()].concat()),
    )
}

fn ciphertext(bytes: &[u8]) -> Outcome {
    Outcome::of(bytes, KEYS.decapsulate(bytes).ok().map(|_| bytes.to_vec()))
}

fn scalar(bytes: &[u8]) -> Outcome {
    let scalar = bytes.try_into().ok().and_then(SecretScalar::from_canonical);
    Outcome::of(bytes, scalar.map(|scalar| scalar.to_secret().expose().to_vec()))
}

fn digest(bytes: &[u8]) -> Outcome {
    super::text(bytes, Digest::from_hex, |digest| digest.to_hex())
}
