//! Keeps a round's training from pass to pass, so that a bank that starts again in the middle of it goes on behind the last pass.

use std::time::{Duration, Instant};

use ring::digest::{Context, SHA256};
use veilsum_protocol::ids::{Digest, Round};

use super::checkpoint_file::Kept;
use super::own_files::OwnFiles;
use super::round_files::RoundFiles;
use crate::train::{Between, Checkpoint, TrainError, TrainingJob};

/// Least time between two checkpoints: training that takes less is repeated.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// Writing takes at most this share of the time.
const SHARE: u32 = 20;
/// Rows that are read back at once to be hashed, if they lie in a file.
const AHEAD: usize = 4096;

/// Where checkpoints of a round are kept, and who is told of them.
pub struct Keeping<'a> {
    /// The open round's files.
    pub files: &'a RoundFiles,
    /// What the bank keeps to itself from round to round.
    pub own: &'a OwnFiles,
    /// The round.
    pub round: Round,
    /// Least time between two checkpoints; zero: one behind each pass.
    pub pause: Duration,
    /// Takes what the operator should know.
    pub tell: &'a mut dyn FnMut(String),
}

/// The checkpoints of one job.
pub(super) struct Keeper<'a, 'b> {
    keeping: Option<&'a mut Keeping<'b>>,
    task: Digest,
    job: &'a TrainingJob<'a>,
    correction: Option<&'a [f32]>,
    of: Option<Digest>,
    pause: Duration,
    last: Instant,
}

impl<'a, 'b> Keeper<'a, 'b> {
    /// For a job of `task` whose steps are corrected; nothing is kept without `keeping`.
    pub(super) fn new(
        keeping: Option<&'a mut Keeping<'b>>,
        task: Digest,
        job: &'a TrainingJob<'a>,
        correction: Option<&'a [f32]>,
    ) -> Self {
        let pause = keeping.as_ref().map_or(PAUSE, |keeping| keeping.pause);
        Self {
            keeping,
            task,
            job,
            correction,
            of: None,
            pause,
            last: Instant::now(),
        }
    }

    /// The checkpoint that an earlier run has left of this job, but for its seed, which comes with it. One that is damaged, or of other
    /// rows, another model or other settings, is told and left alone: the next one replaces it.
    ///
    /// # Errors
    /// If rows that lie in a file cannot be read back.
    pub(super) fn left(&mut self) -> Result<Option<(u64, Checkpoint)>, TrainError> {
        let Some(keeping) = self.keeping.as_mut() else {
            return Ok(None);
        };
        let kept = match keeping.files.training(keeping.round) {
            Ok(Some(kept)) => kept,
            Ok(None) => return Ok(None),
            Err(problem) => {
                (keeping.tell)(format!(
                    "training begins anew, its checkpoint cannot be used: {problem}"
                ));
                return Ok(None);
            }
        };
        let epochs = self.job.training.local_epochs;
        let of = self.of()?;
        let Some(keeping) = self.keeping.as_mut() else {
            return Ok(None);
        };
        if kept.of != of || !(1..epochs).contains(&kept.checkpoint.epoch) {
            (keeping.tell)(
                "training begins anew: the checkpoint of the last run is of other rows or of another model"
                    .to_owned(),
            );
            return Ok(None);
        }
        (keeping.tell)(format!(
            "training goes on behind epoch {} of {epochs}, where the last run has left it",
            kept.checkpoint.epoch
        ));
        Ok(Some((kept.seed, kept.checkpoint)))
    }

    /// Writes a checkpoint if the last is long enough ago. A disk that does not take it is told once; training goes on without.
    pub(super) fn keep(&mut self, seed: u64, between: &Between<'_>) -> Result<(), TrainError> {
        if self.keeping.is_none() || self.last.elapsed() < self.pause {
            return Ok(());
        }
        let begun = Instant::now();
        let kept = Kept {
            of: self.of()?,
            seed,
            checkpoint: between.checkpoint()?,
        };
        if let Some(keeping) = &mut self.keeping
            && let Err(error) = keeping.files.write_training(keeping.round, &kept)
        {
            (keeping.tell)(format!(
                "no checkpoint of the training is kept, a restart would begin it anew: {error}"
            ));
            self.keeping = None;
        }
        if !self.pause.is_zero() {
            self.pause = self.pause.max(begun.elapsed().saturating_mul(SHARE));
        }
        self.last = Instant::now();
        Ok(())
    }

    /// Hash of everything that the result follows from but the seed: task, step size, model to begin with, correction, and the rows.
    fn of(&mut self) -> Result<Digest, TrainError> {
        if let Some(of) = self.of {
            return Ok(of);
        }
        let of = fingerprint(&self.task, self.job, self.correction)?;
        Ok(*self.of.insert(of))
    }
}

fn fingerprint(
    task: &Digest,
    job: &TrainingJob<'_>,
    correction: Option<&[f32]>,
) -> Result<Digest, TrainError> {
    let mut context = Context::new(&SHA256);
    context.update(b"veilsum/v1/checkpoint-of\0");
    context.update(&task.0);
    context.update(&job.learning_rate.to_bits().to_be_bytes());
    context.update(&[u8::from(job.shuffled)]);
    let mut bytes = Vec::new();
    let mut update = |values: &[f32]| {
        context.update(&(values.len() as u64).to_be_bytes());
        for part in values.chunks(4096) {
            bytes.clear();
            bytes.extend(part.iter().flat_map(|value| value.to_bits().to_be_bytes()));
            context.update(&bytes);
        }
    };
    update(job.parameters);
    update(correction.unwrap_or_default());
    let width = job.data.shape.width();
    let mut reader = job.data.inputs.reader(width);
    let mut row_values = Vec::with_capacity(width + 1);
    for (at, &row) in job.rows.iter().enumerate() {
        let Some(label) = job.data.labels.get(row as usize) else {
            continue;
        };
        row_values.clear();
        // Not more: the trainer has rows ahead of it, too.
        let next = &job.rows[at + 1..job.rows.len().min(at + AHEAD)];
        reader.append(&[row], next, &mut row_values)?;
        row_values.push(*label);
        update(&row_values);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Ok(Digest(hash))
}
