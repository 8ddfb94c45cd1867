//! A task's rounds in this process: each party from the common model, then the weighted average and the server's step, without masks and
//! without any rounding.

use std::borrow::Cow;

use veilsum_client::data::EncodedData;
use veilsum_client::train::{Start, TrainingJob, evaluate, train_from};
use veilsum_protocol::model::initialise::initialise;
use veilsum_protocol::model::optimiser::OptimiserState;
use veilsum_protocol::model::{ScoreSums, Shared, Stopping};
use veilsum_protocol::task::{Split, Weighting};

use super::DemoError;
use super::known::Known;
use super::trial::Plan;
use crate::score::Score;

/// Rows that never leave each other.
pub(super) struct Party {
    pub(super) data: EncodedData,
    pub(super) training: Vec<u32>,
    /// By which early stopping judges.
    pub(super) held_out: Vec<u32>,
    /// What it keeps to itself: personal parameters.
    pub(super) personal: Vec<f32>,
    /// Its control variate, of a task that has them.
    pub(super) control: Vec<f32>,
}

impl Party {
    pub(super) fn new(data: EncodedData, training: Vec<u32>, held_out: Vec<u32>) -> Self {
        Self {
            data,
            training,
            held_out,
            personal: Vec::new(),
            control: Vec::new(),
        }
    }

    /// The common model with this party's own parameters in it.
    fn parameters<'a>(&self, shared: &Shared, common: &'a [f32]) -> Cow<'a, [f32]> {
        if self.personal.is_empty() {
            return Cow::Borrowed(common);
        }
        let mut parameters = common.to_vec();
        shared.put_personal(&self.personal, &mut parameters);
        Cow::Owned(parameters)
    }
}

/// The model after each round as it is worth on the test fold, from the first; the last one is the task's. Where parties have parameters
/// of their own, the mean of their models.
pub(super) fn rounds(plan: Plan<'_>, parties: &mut [Party], known: &Known) -> Result<Vec<Score>, DemoError> {
    let task = plan.task;
    let test = plan.test.encoded(task, known)?;
    let shared = task.shared();
    let aggregation = &task.aggregation;
    let mut parameters = initialise(&task.manifest(), task.seed);
    let mut optimiser = OptimiserState::new(&aggregation.optimiser, shared.len());
    let mut control = match task.training.control_variates {
        true => vec![0.0; parameters.len()],
        false => Vec::new(),
    };
    for party in parties.iter_mut() {
        party.control.clone_from(&control);
    }
    let mut stopping = Stopping::default();
    let mut curve = Vec::new();
    for round in 0..task.rounds {
        let before = parameters.clone();
        let figure = stopping_figure(plan, parties, &before)?;
        let average = one_round(plan, round, parties, &before, &mut control)?;
        let mut values = shared.take(&parameters);
        optimiser.step(
            &aggregation.optimiser,
            aggregation.learning_rate,
            &mut values,
            &average,
        );
        shared.put(&values, &mut parameters);
        let is_last = round + 1 == task.rounds;
        let is_over = task
            .early_stopping
            .as_ref()
            .is_some_and(|rules| stopping.judge(rules, round, figure, &before, &mut parameters, is_last));
        let models: Vec<_> = match shared.is_all() {
            true => vec![Cow::Borrowed(&parameters[..])],
            false => parties
                .iter()
                .map(|party| party.parameters(&shared, &parameters))
                .collect(),
        };
        let scores = models
            .iter()
            .map(|model| plan.test.judge(task, &test, model, plan.runtime));
        let scores = scores.collect::<Result<Vec<_>, _>>()?;
        let score = Score::mean(&scores).ok_or_else(|| DemoError::Trial("there is no bank".to_owned()))?;
        (plan.told)(round + 1, &score);
        curve.push(score);
        if is_over {
            break;
        }
    }
    Ok(curve)
}

/// Every party trains from the common model; gives the weighted average of what leaves them, and moves the controls.
fn one_round(
    plan: Plan<'_>,
    round: u32,
    parties: &mut [Party],
    common: &[f32],
    control: &mut [f32],
) -> Result<Vec<f64>, DemoError> {
    let Plan {
        task, seed, runtime, ..
    } = plan;
    let shared = task.shared();
    let aggregation = &task.aggregation;
    let shuffled = !matches!(task.evaluation.split, Split::Time { .. });
    let mut sum = vec![0.0_f64; shared.len()];
    let mut weights = 0.0;
    let mut moved = vec![0.0_f64; control.len()];
    for (place, party) in (0..).zip(parties.iter_mut()) {
        let before = party.parameters(&shared, common);
        let job = TrainingJob {
            model: &task.model,
            training: &task.training,
            learning_rate: task.learning_rate(round),
            data: &party.data,
            rows: &party.training,
            parameters: &before,
            // Another order of the rows in each round and at each party, the same in each run of the demo.
            seed: seed << 32 ^ u64::from(round) << 16 ^ place,
            shuffled,
            runtime,
        };
        let correction: Vec<f32> = control
            .iter()
            .zip(&party.control)
            .map(|(common, own)| common - own)
            .collect();
        let start = Start {
            from: None,
            correction: (!correction.is_empty()).then_some(&correction[..]),
        };
        let trained = train_from(&job, start, &mut |_| Ok(()), &mut |_| ()).map_err(DemoError::trial)?;
        let weight = match aggregation.weighting {
            Weighting::Equal => 1.0,
            Weighting::Examples => (party.training.len() as f64).min(f64::from(aggregation.max_weight)),
        };
        weights += weight;
        let (local, global) = (shared.take(&trained.parameters), shared.take(common));
        let update = local.iter().zip(&global);
        let update: Vec<f64> = update
            .map(|(local, global)| f64::from(*local) - f64::from(*global))
            .collect();
        for (sum, update) in sum.iter_mut().zip(&update) {
            *sum += weight * update;
        }
        // Karimireddy et al. 2020, algorithm 1, option II, as docs/models.md says.
        let batches = party
            .training
            .len()
            .div_ceil(task.training.batch_size.max(1) as usize);
        let way = f64::from(task.training.local_epochs) * batches as f64 * job.learning_rate;
        let own = party.control.iter_mut().zip(control.iter());
        for (((own, common), update), moved) in own.zip(&update).zip(&mut moved) {
            let change = -f64::from(*common) - update / way;
            *own = (f64::from(*own) + change) as f32;
            *moved += change;
        }
        if !shared.is_all() {
            party.personal = shared.take_personal(&trained.parameters);
        }
    }
    for (control, moved) in control.iter_mut().zip(&moved) {
        *control = (f64::from(*control) + moved / parties.len() as f64) as f32;
    }
    Ok(sum.iter().map(|sum| sum / weights).collect())
}

/// The figure that early stopping looks at, of a model on all parties' held-out rows; `None` for a task without, or where it is not defined.
fn stopping_figure(plan: Plan<'_>, parties: &[Party], model: &[f32]) -> Result<Option<f64>, DemoError> {
    let task = plan.task;
    let Some(rules) = &task.early_stopping else {
        return Ok(None);
    };
    let mut total: Option<ScoreSums> = None;
    for party in parties {
        let sums = evaluate(
            &task.model,
            model,
            &party.data,
            &party.held_out,
            task.evaluation.bins,
            plan.runtime,
        );
        let sums = sums.map_err(DemoError::trial)?;
        total = Some(match total {
            None => sums,
            Some(total) => added(total, &sums),
        });
    }
    let metrics = total.map(|total| total.metrics()).transpose();
    Ok(metrics
        .map_err(DemoError::trial)?
        .and_then(|metrics| metrics.figure(rules.figure)))
}

/// Both together. They are of one task, and so of one kind.
fn added(mut total: ScoreSums, more: &ScoreSums) -> ScoreSums {
    let add = |mine: &mut Vec<u64>, theirs: &[u64]| {
        mine.iter_mut()
            .zip(theirs)
            .for_each(|(mine, theirs)| *mine += theirs);
    };
    match (&mut total, more) {
        (ScoreSums::Binary(mine), ScoreSums::Binary(theirs)) => {
            mine.rows += theirs.rows;
            mine.loss += theirs.loss;
            add(&mut mine.negatives, &theirs.negatives);
            add(&mut mine.positives, &theirs.positives);
        }
        (ScoreSums::Classes(mine), ScoreSums::Classes(theirs)) => {
            mine.rows += theirs.rows;
            mine.loss += theirs.loss;
            add(&mut mine.confusion, &theirs.confusion);
        }
        (ScoreSums::Number(mine), ScoreSums::Number(theirs)) => {
            mine.rows += theirs.rows;
            mine.labels += theirs.labels;
            mine.label_squares += theirs.label_squares;
            mine.absolute += theirs.absolute;
            mine.squared += theirs.squared;
        }
        (ScoreSums::Binary(_) | ScoreSums::Classes(_) | ScoreSums::Number(_), _) => {}
    }
    total
}
