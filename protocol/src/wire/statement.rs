//! What banks sign. Each statement has its own domain, so no signature serves for another purpose.

use crate::crypto::agreement::{AgreementPublic, MLKEM_PUBLIC_BYTES};
use crate::ids::{BankIndex, Digest, Epoch, Round};
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};

macro_rules! statement {
    ($(#[$doc:meta])* $name:ident = $kind:literal { $($(#[$field_doc:meta])* $field:ident : $type:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: statement!(@type $type)),*
        }

        impl Canonical for $name {
            const KIND: &'static str = $kind;

            fn write(&self, w: &mut Writer) {
                $(statement!(@write w self.$field, $type);)*
            }

            fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self { $($field: statement!(@read r, $field, $type)),* })
            }
        }
    };
    (@type bank) => { BankIndex };
    (@type digest) => { Digest };
    (@type round) => { Round };
    (@type epoch) => { Epoch };
    (@type u64) => { u64 };
    (@write $w:ident $value:expr, bank) => { $w.bank($value) };
    (@write $w:ident $value:expr, digest) => { $w.digest(&$value) };
    (@write $w:ident $value:expr, round) => { $value.write($w) };
    (@write $w:ident $value:expr, epoch) => { $value.write($w) };
    (@write $w:ident $value:expr, u64) => { $w.u64($value) };
    (@read $r:ident, $field:ident, bank) => { $r.bank(stringify!($field))? };
    (@read $r:ident, $field:ident, digest) => { $r.digest(stringify!($field))? };
    (@read $r:ident, $field:ident, round) => { Round::read($r, stringify!($field))? };
    (@read $r:ident, $field:ident, epoch) => { Epoch::read($r, stringify!($field))? };
    (@read $r:ident, $field:ident, u64) => { $r.u64(stringify!($field))? };
}

statement!(
    /// The bank's operator approves a task.
    Approval = "approval" {
        /// Hash of the task.
        task: digest,
        /// The bank.
        bank: bank,
    }
);
statement!(
    /// What a bank prepared for a round. Its hash stands in the log's `PrepareManifest`.
    BundleHeader = "bundle" {
        /// The epoch.
        epoch: epoch,
        /// The round.
        round: round,
        /// The bank.
        bank: bank,
        /// Merkle root over the parcels, one leaf per roster position.
        parcels: digest,
        /// Hash of the recovery blob.
        recovery_blob: digest,
        /// Commitment to the self-mask secret `b_i`.
        self_mask: digest,
        /// Commitment to the recovery secret `sigma_i`.
        recovery: digest,
    }
);
statement!(
    /// The bank's contribution is computed and quantised.
    Ready = "ready" {
        /// The round.
        round: round,
        /// Hash of the `RoundOpen` entry.
        open: digest,
        /// Hash of the list of peers whose parcels were bad.
        complaints: digest,
        /// The bank.
        bank: bank,
    }
);
statement!(
    /// What the bank uploaded.
    Trailer = "trailer" {
        /// The round's context.
        context: digest,
        /// The bank.
        bank: bank,
        /// Bytes of the packed vector.
        length: u64,
        /// SHA-256 of the packed vector.
        hash: digest,
    }
);
statement!(
    /// The first and only list of survivors that the bank accepts for the round.
    SurvivorList = "survivors" {
        /// The round's context.
        context: digest,
        /// Hash of the `Survivors` entry.
        survivors: digest,
    }
);
statement!(
    /// The bank derived the next state from the logged sum.
    Derived = "derived" {
        /// The round.
        round: round,
        /// The bank.
        bank: bank,
        /// Hash of the state.
        state: digest,
    }
);
statement!(
    /// The bank's operator approves a change of the roster. The proposal names the roster that it follows and every bank of the new one.
    RosterApproval = "roster-approval" {
        /// Hash of the `RosterProposal` entry.
        proposal: digest,
        /// The bank, by its position in the roster that is to be followed.
        bank: bank,
    }
);

/// A bank's agreement keys of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochKeys {
    /// The epoch.
    pub epoch: Epoch,
    /// Hash of the roster that the bank pinned.
    pub roster: Digest,
    /// The bank.
    pub bank: BankIndex,
    /// Its public keys.
    pub public: AgreementPublic,
}

impl Canonical for EpochKeys {
    const KIND: &'static str = "epoch-keys";

    fn write(&self, w: &mut Writer) {
        self.epoch.write(w);
        w.digest(&self.roster)
            .bank(self.bank)
            .fixed(&self.public.x25519)
            .bytes(&self.public.mlkem);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            epoch: Epoch::read(r, "epoch")?,
            roster: r.digest("roster")?,
            bank: r.bank("bank")?,
            public: AgreementPublic {
                x25519: r.array("X25519 key")?,
                mlkem: {
                    let key = r.bytes("ML-KEM key")?;
                    if key.len() != MLKEM_PUBLIC_BYTES {
                        let problem = format!("found {} bytes, expected {MLKEM_PUBLIC_BYTES}", key.len());
                        return Err(DecodeError::value("ML-KEM key", problem));
                    }
                    key.to_vec()
                },
            },
        })
    }
}

/// A share that a bank gives back, of one peer's one or other secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ReleasedShare {
    /// Of the self-mask secret: the peer survived.
    SelfMask([u8; 32]),
    /// Of the recovery secret: the peer dropped out.
    Recovery([u8; 32]),
}

impl std::fmt::Debug for ReleasedShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SelfMask(_) => "SelfMask(..)",
            Self::Recovery(_) => "Recovery(..)",
        })
    }
}

/// Everything that a bank releases in a round: for every bank of the cohort exactly one share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The round's context.
    pub context: Digest,
    /// The bank that releases.
    pub bank: BankIndex,
    /// One share per bank of the cohort, by position.
    pub shares: Vec<(BankIndex, ReleasedShare)>,
}

impl Canonical for Release {
    const KIND: &'static str = "release";

    fn write(&self, w: &mut Writer) {
        w.digest(&self.context)
            .bank(self.bank)
            .list(self.shares.iter(), |w, (bank, share)| {
                w.bank(*bank);
                match share {
                    ReleasedShare::SelfMask(share) => w.u8(1).fixed(share),
                    ReleasedShare::Recovery(share) => w.u8(2).fixed(share),
                };
            });
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            context: r.digest("context")?,
            bank: r.bank("bank")?,
            shares: r.list(35, "shares", |r| {
                let bank = r.bank("bank")?;
                let kind = r.u8("kind of share")?;
                let share = r.array("share")?;
                match kind {
                    1 => Ok((bank, ReleasedShare::SelfMask(share))),
                    2 => Ok((bank, ReleasedShare::Recovery(share))),
                    other => Err(DecodeError::value("kind of share", format!("{other} is unknown"))),
                }
            })?,
        })
    }
}
