//! A state's canonical form.

use super::TaskState;
use crate::model::optimiser::OptimiserState;
use crate::model::{Moments, Preparation, Stopping, TrainingEnd, Vocabularies};
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};

/// Numbers that are laid out at once.
const BLOCK: usize = 4096;

/// Parts that only some tasks have stand behind the others, each after its number, in ascending order. A state without one keeps the form
/// that it had before there was such a part.
const STOPPING: u8 = 1;
const CONTROL: u8 = 2;
const PREPARATION: u8 = 3;
const VOCABULARIES: u8 = 4;

/// A list of numbers. There are millions of them, so they are laid out in blocks.
fn write_floats(w: &mut Writer, values: &[f32]) {
    let mut block = vec![0; 4 * BLOCK.min(values.len())];
    w.count(values.len()).reserve(4 * values.len());
    for part in values.chunks(BLOCK) {
        let (words, _) = block.as_chunks_mut::<4>();
        for (word, value) in words.iter_mut().zip(part) {
            *word = value.to_bits().to_be_bytes();
        }
        w.fixed(&block[..4 * part.len()]);
    }
}

fn read_floats(r: &mut Reader<'_>, what: &'static str) -> Result<Vec<f32>, DecodeError> {
    let count = r.count(4, what)?;
    let (words, _) = r.fixed(4 * count, what)?.as_chunks::<4>();
    Ok(words
        .iter()
        .map(|word| f32::from_bits(u32::from_be_bytes(*word)))
        .collect())
}

fn write_stopping(w: &mut Writer, stopping: &Stopping) {
    w.list(stopping.best.iter(), |w, best| {
        w.f64(*best);
    });
    w.u32(stopping.best_round).u32(stopping.waited);
    write_floats(w, &stopping.parameters);
    w.list(stopping.end.iter(), |w, end| {
        w.u32(end.rounds).u32(end.kept);
    });
}

fn read_stopping(r: &mut Reader<'_>) -> Result<Stopping, DecodeError> {
    Ok(Stopping {
        best: r.list(8, "best figure", |r| r.f64("best figure"))?.pop(),
        best_round: r.u32("round of the best model")?,
        waited: r.u32("models since")?,
        parameters: read_floats(r, "parameters of the best model")?,
        end: r
            .list(8, "end of training", |r| {
                Ok(TrainingEnd {
                    rounds: r.u32("rounds")?,
                    kept: r.u32("rounds of the kept model")?,
                })
            })?
            .pop(),
    })
}

impl Canonical for TaskState {
    const KIND: &'static str = "task-state";

    fn write(&self, w: &mut Writer) {
        w.digest(&self.task).u32(self.step);
        w.list(self.moments.iter(), |w, moments| {
            write_floats(w, &moments.mean);
            write_floats(w, &moments.std);
        });
        write_floats(w, &self.parameters);
        write_floats(w, &self.optimiser.momentum);
        write_floats(w, &self.optimiser.variance);
        if let Some(stopping) = &self.stopping {
            w.u8(STOPPING);
            write_stopping(w, stopping);
        }
        if !self.control.is_empty() {
            w.u8(CONTROL);
            write_floats(w, &self.control);
        }
        if let Some(preparation) = &self.preparation {
            preparation.write(w.u8(PREPARATION));
        }
        if let Some(vocabularies) = &self.vocabularies {
            vocabularies.write(w.u8(VOCABULARIES));
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut state = Self {
            task: r.digest("task")?,
            step: r.u32("step")?,
            moments: r
                .list(8, "moments", |r| {
                    Ok(Moments {
                        mean: read_floats(r, "means")?,
                        std: read_floats(r, "deviations")?,
                    })
                })?
                .pop(),
            parameters: read_floats(r, "parameters")?,
            optimiser: OptimiserState {
                momentum: read_floats(r, "momentum")?,
                variance: read_floats(r, "variance")?,
            },
            stopping: None,
            control: Vec::new(),
            preparation: None,
            vocabularies: None,
        };
        while r.left() > 0 {
            match r.u8("part")? {
                STOPPING => state.stopping = Some(read_stopping(r)?),
                CONTROL => state.control = read_floats(r, "control")?,
                PREPARATION => state.preparation = Some(Preparation::read(r)?),
                VOCABULARIES => state.vocabularies = Some(Vocabularies::read(r)?),
                other => return Err(DecodeError::value("part", format!("{other} is unknown"))),
            }
        }
        Ok(state)
    }
}
