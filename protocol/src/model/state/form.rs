//! A state's canonical form.

use super::TaskState;
use crate::model::optimiser::OptimiserState;
use crate::model::{Moments, Preparation, Vocabularies};
use crate::wire::canonical::{Canonical, DecodeError, Reader, Writer};

/// Numbers that are laid out at once.
const BLOCK: usize = 4096;

/// Parts that only some tasks have stand behind the others, each after its number, in ascending order. A task without one keeps the form
/// that it had before there was such a part.
const PREPARATION: u8 = 1;
const VOCABULARIES: u8 = 2;

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
            preparation: None,
            vocabularies: None,
        };
        while r.left() > 0 {
            match r.u8("part")? {
                PREPARATION => state.preparation = Some(Preparation::read(r)?),
                VOCABULARIES => state.vocabularies = Some(Vocabularies::read(r)?),
                other => return Err(DecodeError::value("part", format!("{other} is unknown"))),
            }
        }
        Ok(state)
    }
}
