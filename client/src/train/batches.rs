//! Mini-batches that are ready before the trainer wants them.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

use tch::{TchError, Tensor};

use crate::model::to_i64;

use super::loss::RowLoss;
use super::shuffle::Shuffle;
use super::{Runtime, TrainError};

/// Inputs in a block, 1 MiB of them, unless one batch has more. A table up to this size is one block in each epoch; larger
/// blocks would leave the processor's cache on their way to the trainer, and be pages that the system gives and clears anew.
const CELLS: usize = 1 << 18;

/// Blocks that wait for the trainer. One more is at work on either side, so memory holds three beside the dataset, however
/// large that is.
const WAITING: usize = 1;

/// Which rows, how often and in what order.
pub(super) struct Epochs {
    /// The rows; each is in every epoch once.
    pub(super) rows: Vec<u32>,
    /// Gives their order; without it they keep it.
    pub(super) seed: Option<u64>,
    pub(super) epochs: u32,
    /// Epochs that an earlier run has been through: their orders are drawn, and nothing is gathered.
    pub(super) done: u32,
    /// Rows in a batch; the last of an epoch may be smaller.
    pub(super) batch_size: usize,
    /// Gives the rows' weights.
    pub(super) loss: RowLoss,
}

/// Rows that follow each other in an epoch, on the device: one tensor of each kind, whose views the batches are.
pub(super) struct Block {
    pub(super) batches: Vec<Batch>,
    /// Shape `[rows]`.
    pub(super) labels: Tensor,
    /// Factors of the rows' losses, shape `[rows]`; without any, all are 1.
    pub(super) weights: Option<Tensor>,
    pub(super) ends_epoch: bool,
}

/// Rows that are trained on together.
pub(super) struct Batch {
    /// Shape `[rows, width]`.
    pub(super) inputs: Tensor,
    /// Shape `[rows]`.
    pub(super) labels: Tensor,
    /// Shape `[rows]`, where the block has some.
    pub(super) weights: Option<Tensor>,
    pub(super) rows: usize,
}

/// The blocks of all epochs in their order, shuffled and gathered by a thread of their own, so that the trainer waits for
/// the first one alone.
///
/// It ends after the block that it has in hand once this is dropped, and after the first error, which is the last item
/// then. Should it panic, the items end early, and the panic goes on where the scope ends.
pub(super) struct Blocks(Receiver<Result<Block, TrainError>>);

impl Blocks {
    /// Starts the thread. `gather` gives inputs, shape `[rows, width]`, and labels, shape `[rows]`, on the device; beside the rows of a block it
    /// is told those that come behind them in the epoch.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        epochs: Epochs,
        width: usize,
        gather: impl FnMut(&[u32], &[u32]) -> Result<(Tensor, Tensor), TrainError> + Send + 'scope,
    ) -> std::io::Result<Self> {
        let (send, ready) = sync_channel(WAITING);
        Builder::new()
            .name("batches".to_owned())
            .spawn_scoped(scope, move || {
                Runtime::enter_beside();
                prepare(epochs, width, gather, &send);
            })?;
        Ok(Self(ready))
    }
}

impl Iterator for Blocks {
    type Item = Result<Block, TrainError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.recv().ok()
    }
}

fn prepare(
    mut epochs: Epochs,
    width: usize,
    mut gather: impl FnMut(&[u32], &[u32]) -> Result<(Tensor, Tensor), TrainError>,
    send: &SyncSender<Result<Block, TrainError>>,
) {
    let mut shuffle = epochs.seed.map(Shuffle::new);
    let batches = (CELLS / width.max(1) / epochs.batch_size).max(1);
    let length = batches * epochs.batch_size;
    let mut order = std::mem::take(&mut epochs.rows);
    for epoch in 0..epochs.epochs {
        if let Some(shuffle) = &mut shuffle {
            shuffle.shuffle(&mut order);
        }
        if epoch < epochs.done {
            continue;
        }
        let mut left = &order[..];
        while !left.is_empty() {
            let (rows, next) = left.split_at(left.len().min(length));
            left = next;
            let block = gather(rows, next)
                .and_then(|(inputs, labels)| Ok(Block::of(&epochs, inputs, labels, next.is_empty())?));
            let failed = block.is_err();
            // Nobody receives once the trainer has stopped.
            if send.send(block).is_err() || failed {
                return;
            }
        }
    }
}

impl Block {
    fn of(epochs: &Epochs, inputs: Tensor, labels: Tensor, ends_epoch: bool) -> Result<Self, TchError> {
        let size = to_i64(epochs.batch_size);
        let weights = epochs.loss.weights(&labels)?;
        let parts = weights.as_ref().map(|weights| weights.f_split(size, 0));
        let mut parts = parts.transpose()?.unwrap_or_default().into_iter();
        let mut left = labels.numel();
        let batches = inputs.f_split(size, 0)?.into_iter().zip(labels.f_split(size, 0)?);
        let batches = batches.map(|(inputs, labels)| {
            let rows = left.min(epochs.batch_size);
            left -= rows;
            Batch {
                inputs,
                labels,
                weights: parts.next(),
                rows,
            }
        });
        Ok(Self {
            batches: batches.collect(),
            labels,
            weights,
            ends_epoch,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use veilsum_protocol::model::Target;
    use veilsum_protocol::task::Loss;

    use super::*;

    const ROWS: u32 = 10;

    fn epochs(seed: impl Into<Option<u64>>) -> Epochs {
        Epochs {
            rows: (0..ROWS).collect(),
            seed: seed.into(),
            epochs: 3,
            done: 0,
            batch_size: 2,
            loss: loss(&[1.0, 1.0]),
        }
    }

    fn loss(class_weights: &[f64]) -> RowLoss {
        RowLoss::new(Loss::CrossEntropy, Target::Binary, class_weights)
    }

    /// A row's only input is its number, its label whether that is odd.
    fn gather(rows: &[u32], _: &[u32]) -> Result<(Tensor, Tensor), TrainError> {
        let numbers: Vec<f32> = rows.iter().map(|&row| row as f32).collect();
        let labels: Vec<f32> = rows.iter().map(|&row| (row % 2) as f32).collect();
        let inputs = Tensor::f_from_slice(&numbers)?.f_view([-1, 1])?;
        Ok((inputs, Tensor::f_from_slice(&labels)?))
    }

    /// So wide that two batches of two rows fill a block.
    const WIDE: usize = CELLS / 4;

    /// The rows' numbers, batch by batch, block by block.
    fn read(epochs: Epochs, width: usize) -> Vec<(Vec<Vec<f32>>, bool)> {
        thread::scope(|scope| {
            let blocks = Blocks::start(scope, epochs, width, gather).unwrap();
            let read = blocks.map(|block| {
                let block = block.unwrap();
                let batches = block.batches.iter().map(|batch| {
                    let inputs = Vec::<f32>::try_from(batch.inputs.flatten(0, 1)).unwrap();
                    let labels = Vec::<f32>::try_from(&batch.labels).unwrap();
                    assert!(
                        inputs
                            .iter()
                            .zip(labels)
                            .all(|(input, label)| input % 2.0 == label)
                    );
                    assert_eq!(inputs.len(), batch.rows);
                    inputs
                });
                (batches.collect(), block.ends_epoch)
            });
            read.collect()
        })
    }

    #[test]
    fn every_row_is_in_each_epoch_once_in_the_order_of_the_seed() {
        let mut shuffle = Shuffle::new(7);
        let mut order: Vec<u32> = (0..ROWS).collect();
        for (width, sizes) in [(1, &[5][..]), (WIDE, &[2, 2, 1])] {
            let blocks = read(epochs(7), width);
            let found: Vec<usize> = blocks.iter().map(|(batches, _)| batches.len()).collect();
            assert_eq!(found, [sizes, sizes, sizes].concat());
            let rows: Vec<f32> = blocks.iter().flat_map(|(batches, _)| batches.concat()).collect();
            for epoch in rows.chunks(ROWS as usize) {
                shuffle.shuffle(&mut order);
                assert_eq!(epoch, order.iter().map(|&row| row as f32).collect::<Vec<_>>());
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (0..ROWS).collect::<Vec<_>>());
            }
            (shuffle, order) = (Shuffle::new(7), (0..ROWS).collect());
            let ends: Vec<usize> = (1..)
                .zip(&blocks)
                .filter(|(_, (_, end))| *end)
                .map(|(at, _)| at)
                .collect();
            assert_eq!(ends, [sizes.len(), 2 * sizes.len(), 3 * sizes.len()]);
        }
        assert_eq!(read(epochs(7), WIDE), read(epochs(7), WIDE));
        assert_ne!(read(epochs(7), WIDE), read(epochs(8), WIDE));
    }

    #[test]
    fn epochs_of_an_earlier_run_are_left_out_and_the_rest_is_the_same() {
        for width in [1, WIDE] {
            let whole = read(epochs(7), width);
            let mut epochs = epochs(7);
            epochs.done = 2;
            let rest = read(epochs, width);
            assert_eq!(rest.len() * 3, whole.len());
            assert_eq!(rest, whole[whole.len() - rest.len()..]);
        }
    }

    #[test]
    fn without_a_seed_rows_keep_their_order_in_every_epoch() {
        let blocks = read(epochs(None), WIDE);
        let rows: Vec<f32> = blocks.iter().flat_map(|(batches, _)| batches.concat()).collect();
        let kept: Vec<f32> = (0..ROWS).map(|row| row as f32).collect();
        assert_eq!(rows, kept.repeat(3));
    }

    #[test]
    fn the_last_batch_of_an_epoch_is_smaller_and_weights_are_those_of_the_classes() {
        let mut epochs = epochs(1);
        (epochs.batch_size, epochs.loss) = (4, loss(&[0.5, 3.0]));
        thread::scope(|scope| {
            let mut rows = Vec::new();
            for block in Blocks::start(scope, epochs, WIDE, gather).unwrap() {
                for batch in block.unwrap().batches {
                    rows.push(batch.rows);
                    let labels = Vec::<f32>::try_from(&batch.labels).unwrap();
                    let expected: Vec<f32> = labels
                        .iter()
                        .map(|&label| if label == 1.0 { 3.0 } else { 0.5 })
                        .collect();
                    assert_eq!(Vec::<f32>::try_from(batch.weights.unwrap()).unwrap(), expected);
                }
            }
            assert_eq!(rows, [4, 4, 2].repeat(3));
        });
    }

    #[test]
    fn an_error_while_preparing_is_told_and_is_the_last_thing() {
        thread::scope(|scope| {
            let mut calls = 0;
            let fails = move |rows: &[u32], next: &[u32]| {
                calls += 1;
                if calls == 2 {
                    return Err(TchError::Shape("no memory".to_owned()).into());
                }
                gather(rows, next)
            };
            let mut blocks = Blocks::start(scope, epochs(1), WIDE, fails).unwrap();
            assert!(blocks.next().unwrap().is_ok());
            let error = blocks.next().unwrap().err().unwrap();
            assert!(error.to_string().contains("no memory"), "{error}");
            assert!(blocks.next().is_none());
        });
    }

    #[test]
    fn whoever_stops_early_ends_the_thread() {
        let calls = AtomicUsize::new(0);
        // The end of the scope waits for the thread.
        thread::scope(|scope| {
            let mut epochs = epochs(1);
            epochs.epochs = u32::MAX;
            let counts = |rows: &[u32], next: &[u32]| {
                calls.fetch_add(1, Ordering::Relaxed);
                gather(rows, next)
            };
            let mut blocks = Blocks::start(scope, epochs, WIDE, counts).unwrap();
            assert!(blocks.next().unwrap().is_ok());
        });
        // One that was received, those that wait, one at work.
        assert!(calls.into_inner() <= 2 + WAITING);
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_while_preparing_goes_on() {
        thread::scope(|scope| {
            let panics =
                |_: &[u32], _: &[u32]| -> Result<(Tensor, Tensor), TrainError> { panic!("of the test") };
            assert!(
                Blocks::start(scope, epochs(1), 1, panics)
                    .unwrap()
                    .next()
                    .is_none()
            );
        });
    }
}
