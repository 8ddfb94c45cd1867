//! Keys, roster, task and contributions: the same for the same bank, every time.

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::model::{ColumnSums, ScoreSums};
use veilsum_protocol::roster::{Roster, RosterEntry};
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::round::participant::Pinned;
use veilsum_protocol::task::Task;

pub const LOG: &str = "example.org/credit";
pub const BINS: usize = 8;
pub const PARAMETERS: usize = 4;

pub fn bank(position: u16) -> BankIndex {
    BankIndex::new(position).unwrap()
}

/// The same bytes for the same name, once.
struct Named(&'static str, u16);

impl Entropy for Named {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&Digest::of(format!("{} {}", self.0, self.1).as_bytes()).0);
    }
}

pub fn signing_key(bank: BankIndex) -> SigningKey {
    SigningKey::generate(&mut Named("bank", bank.get()))
}

pub fn witness_key(bank: BankIndex) -> SigningKey {
    SigningKey::generate(&mut Named("witness", bank.get()))
}

pub fn log_signing_key() -> SigningKey {
    SigningKey::generate(&mut Named("log", 0))
}

pub fn log_key() -> VerifierKey {
    VerifierKey::new(LOG, log_signing_key().verifying_key().0).unwrap()
}

pub fn roster(banks: u16) -> Roster {
    roster_of(&(1..=banks).collect::<Vec<_>>())
}

/// The members by position; each has the keys of the bank with its number.
pub fn roster_of(members: &[u16]) -> Roster {
    let entry = |(position, member): (u16, &u16)| RosterEntry {
        index: bank(position),
        name: format!("bank-{member}"),
        signing_key: signing_key(bank(*member)).verifying_key().0,
        witness_key: witness_key(bank(*member)).verifying_key().0,
        tls_key: Digest::of(format!("tls {member}").as_bytes()),
    };
    Roster::new(LOG, (1..).zip(members).map(entry).collect()).unwrap()
}

/// The number of a bank of [`roster_of`], which it keeps wherever it stands.
pub fn member_of(entry: &RosterEntry) -> u16 {
    let number = entry.name.strip_prefix("bank-").map(str::parse);
    number.unwrap().unwrap()
}

pub fn pinned(at: BankIndex, members: &[u16]) -> Pinned {
    Pinned {
        bank: at,
        roster: roster_of(members),
        log_key: log_key(),
        key: signing_key(bank(members[usize::from(at.get()) - 1])),
        witness_key: witness_key(bank(members[usize::from(at.get()) - 1])),
    }
}

/// Three number columns, a logistic model of four parameters, three train rounds.
pub fn task(name: &str) -> Task {
    let column = |name: &str| {
        format!("[[schema.column]]\nname = \"{name}\"\ntype = \"number\"\nmin = 0.0\nmax = 1.0\n")
    };
    let text = format!(
        "name = \"{name}\"\nrounds = 3\nseed = 7\n[schema]\nversion = 1\nlabel = \"default\"\n{}{}{}\
         [model]\nfamily = \"logistic\"\n\
         [training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\nbatch_size = 16\nlocal_epochs = 1\n\
         [aggregation]\nmax_weight = 100\n[encoding]\n[evaluation]\nbins = {BINS}\n\
         [deadlines]\nprepare_s = 30\nready_s = 60\ncollect_s = 60\nconfirm_s = 30\nunmask_s = 30\nack_s = 30\n",
        column("income"),
        column("age"),
        column("debt"),
    );
    Task::parse(&text).unwrap()
}

/// What a bank puts into a round, before it is encoded.
#[derive(Clone, Debug)]
pub enum Contribution {
    Statistics(Vec<ColumnSums>),
    Train {
        update: Vec<f32>,
        weight: u32,
        scores: ScoreSums,
    },
    Evaluate(ScoreSums),
}

/// A contribution that tells banks and steps apart in every value.
pub fn contribution(bank: BankIndex, kind: RoundKind, step: u32) -> Contribution {
    let i = u64::from(bank.get());
    match kind {
        RoundKind::Statistics => {
            let column = |c: u64| {
                let mut sums = ColumnSums::default();
                for row in 0..20 + i {
                    sums.add(((row * 7 + i * 3 + c * 5) % 31) as f64 / 30.0);
                }
                sums
            };
            Contribution::Statistics((0..3).map(column).collect())
        }
        RoundKind::Train => Contribution::Train {
            update: (0..PARAMETERS as u64)
                .map(|p| ((i * 31 + p * 17 + u64::from(step) * 11) % 41) as f32 / 50.0 - 0.4)
                .collect(),
            weight: (i as u32 * 9 + step) % 100 + 1,
            scores: scores(i, step),
        },
        RoundKind::Evaluate => Contribution::Evaluate(scores(i, step)),
        RoundKind::Support | RoundKind::Vocabulary => panic!("no step of this task"),
    }
}

pub fn scores(i: u64, step: u32) -> ScoreSums {
    let count = |bin: u64, salt: u64| (bin * salt + i * 3 + u64::from(step)) % 13;
    let negatives: Vec<u64> = (0..BINS as u64).map(|bin| count(bin, 5)).collect();
    let positives: Vec<u64> = (0..BINS as u64).map(|bin| count(bin, 7)).collect();
    let rows = negatives.iter().chain(&positives).sum();
    ScoreSums::binary(rows, rows as f64 * 0.4, negatives, positives)
}
