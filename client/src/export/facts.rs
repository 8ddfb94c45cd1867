//! From what the bank has to the card: the task, the state, what the log proves, and the bank's record of rounds.

use std::collections::BTreeMap;

use veilsum_onnx::{Answer, INPUTS};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::params::{RoundKind, Thresholds};
use veilsum_protocol::task::{self, ColumnKind, LabelKind, Split, Task};

use super::card::{
    Card, Column, Data, FORMAT, Fairness, Identity, Importance, Interface, Measured, Privacy, Proof, Tensor,
    Training,
};
use super::layout::Layout;
use super::sentences::{intended_use, limits};
use crate::participant::RoundSeen;
use crate::scoring::{ProvenanceError, Scorer};
use crate::serving::Found;

const THIS: &str = "this model";
const BEFORE: &str = "the model before the last round";

/// What the card is made of.
pub(super) struct Facts<'a> {
    /// The model and its proof.
    pub(super) found: &'a Found,
    /// The state that holds it.
    pub(super) state: &'a TaskState,
    /// The same as it scores.
    pub(super) scorer: &'a Scorer,
    /// What it answers.
    pub(super) answer: Answer,
    /// Why the bank takes models that the log does not prove.
    pub(super) reason: Option<String>,
    /// The rounds that the bank saw.
    pub(super) rounds: &'a [RoundSeen],
    /// Thresholds of the roster in force.
    pub(super) thresholds: Thresholds,
    /// Name, form and hash of the file that holds the model.
    pub(super) file: [String; 3],
    /// Name of the receipt's copy.
    pub(super) receipt: Option<String>,
}

impl Facts<'_> {
    /// The card.
    pub(super) fn card(self) -> Card {
        let task = &self.found.task;
        let plan = Plan::new(task);
        let trained = self.state.trained(&plan);
        let metrics = self.measured();
        let mut card = Card {
            format: FORMAT.to_owned(),
            proof: self.proof(),
            interface: self.interface(),
            data: data(task, self.scorer),
            training: self.training(&plan, trained),
            importance: self.importance(),
            fairness: fairness(task, metrics.as_ref()),
            metrics,
            privacy: privacy(task, self.thresholds),
            intended_use: Vec::new(),
            limits: Vec::new(),
            model: self.identity(),
        };
        card.intended_use = intended_use(task, &card);
        card.limits = limits(task, &card);
        card
    }

    fn identity(&self) -> Identity {
        let task = &self.found.task;
        let [file, file_format, file_sha256] = self.file.clone();
        Identity {
            name: task.name.clone(),
            version: self.found.version(),
            step: self.found.step,
            state_sha256: self.found.state.to_hex(),
            task_sha256: task.hash().to_hex(),
            family: self.scorer.spec().family().to_owned(),
            words: task.model_in_words(),
            parameters: self.scorer.parameters().len() as u64,
            personal: task.training.personal.clone(),
            holds_personal: self.scorer.is_personal(),
            file,
            file_format,
            file_sha256,
        }
    }

    fn proof(&self) -> Proof {
        let proven = self.found.proven.as_ref();
        // Without the places of the bank's files.
        let problem = proven.err().map(|error| match &**error {
            ProvenanceError::NoReceipt { .. } => {
                "the bank has no receipt of a result that led to this state".to_owned()
            }
            ProvenanceError::Receipt { error, .. } => format!("the receipt does not hold: {error}"),
            ProvenanceError::File { error, .. } => format!("the receipts cannot be read: {error}"),
        });
        let proven = proven.ok();
        Proof {
            proven: proven.is_some(),
            round: proven.map(|proven| proven.round),
            round_kind: proven.map(|proven| proven.kind.name().to_owned()),
            log_entry: proven.map(|proven| proven.entry),
            log_entries: proven.map(|proven| proven.log_entries),
            log_root: proven.map(|proven| proven.log_root.clone()),
            cosigned_by_banks: proven.map(|proven| proven.cosigned_by.len() as u64),
            receipt: self.receipt.clone(),
            reason: problem.as_ref().and(self.reason.clone()),
            problem,
        }
    }

    fn interface(&self) -> Interface {
        let (schema, shape) = (self.scorer.schema(), self.scorer.shape());
        let Layout { words, numbers } = Layout::of(schema, shape);
        let rows = || "rows".to_owned();
        let label = &schema.label;
        let (shape_of_answer, element, answer) = match self.answer {
            Answer::Probability => (
                vec![rows()],
                "float32",
                format!("the probability that {label} is 1"),
            ),
            Answer::Probabilities(classes) => (
                vec![rows(), classes.to_string()],
                "float32",
                format!("the probability of each class of {label}"),
            ),
            Answer::Number { min, max, .. } => (
                vec![rows()],
                "float64",
                format!(
                    "{label} on its own scale, from {min} to {max}; not the unit scale on which it is trained"
                ),
            ),
        };
        Interface {
            input: Tensor {
                name: INPUTS.to_owned(),
                element: "float32".to_owned(),
                shape: vec![rows(), shape.width().to_string()],
                words,
            },
            output: Tensor {
                name: self.answer.name().to_owned(),
                element: element.to_owned(),
                shape: shape_of_answer,
                words: answer,
            },
            numbers,
            outputs: self.scorer.output_names(),
        }
    }

    fn of_task(&self) -> impl Iterator<Item = &RoundSeen> {
        let task = self.found.task.hash().to_hex();
        self.rounds.iter().filter(move |round| round.task == task)
    }

    fn training(&self, plan: &Plan, trained: u32) -> Training {
        let in_model = |round: &&RoundSeen| {
            let step = round.step.and_then(|step| step.checked_sub(1));
            let step = step.filter(|step| plan.kind(*step) == Some(RoundKind::Train));
            step.is_some_and(|step| plan.train_round(step) < trained)
        };
        let sums: Vec<u16> = self
            .of_task()
            .filter(in_model)
            .filter_map(|round| round.survivors)
            .collect();
        Training {
            rounds: trained,
            rounds_planned: self.found.task.rounds,
            banks_in_proven_sum: self.found.proven.as_ref().ok().map(|proven| proven.survivors),
            rounds_seen: u32::try_from(sums.len()).unwrap_or(u32::MAX),
            least_banks_in_sum: sums.iter().min().copied(),
            most_banks_in_sum: sums.iter().max().copied(),
            banks_of_consortium: self.thresholds.banks,
        }
    }

    /// By the bank's record of the round that judged the last model: the log names the sum, and the amounts are in that.
    fn importance(&self) -> Option<Importance> {
        let (round, found) = self
            .led_here()
            .filter_map(|round| Some((round.round, round.importance.as_ref()?)))
            .last()?;
        let unit = match self.answer {
            Answer::Probability => "probability",
            Answer::Probabilities(_) => "probability that goes from some classes to others",
            Answer::Number { .. } => "the label's scale from 0 to 1",
        };
        Some(Importance {
            source: format!("this bank's record of round {round}"),
            unit: unit.to_owned(),
            rows: found.rows,
            columns: found.columns.clone(),
        })
    }

    /// Rounds that led to this state.
    fn led_here(&self) -> impl Iterator<Item = &RoundSeen> {
        self.of_task().filter(|round| round.step == Some(self.found.step))
    }

    /// By the log's entry that is proven; else by the bank's record of the round.
    fn measured(&self) -> Option<Measured> {
        let of = |evaluates: bool| if evaluates { THIS } else { BEFORE }.to_owned();
        if let Ok(proven) = &self.found.proven {
            let metrics = proven.metrics.as_ref()?;
            let figures = metrics.figures.iter();
            return Some(Measured {
                of: of(proven.kind == RoundKind::Evaluate),
                source: format!("entry {} of the log", proven.entry),
                proven: true,
                rows: metrics.rows,
                figures: figures
                    .map(|(figure, value)| (figure.key().to_owned(), *value))
                    .collect(),
            });
        }
        let round = self.led_here().last()?;
        let all = round.all.as_ref()?;
        Some(Measured {
            of: of(round.kind == RoundKind::Evaluate.name()),
            source: format!("this bank's record of round {}", round.round),
            proven: false,
            rows: all.rows,
            figures: all
                .figures
                .iter()
                .map(|(key, value)| (key.clone(), Some(*value)))
                .collect(),
        })
    }
}

fn data(task: &Task, scorer: &Scorer) -> Data {
    let schema = scorer.schema();
    let column = |column: &task::Column| {
        let (kind, range, values) = match &column.kind {
            ColumnKind::Number(number) => ("number", Some((number.min, number.max)), None),
            ColumnKind::Category(category) => ("category", None, Some(category.values.clone())),
            ColumnKind::Date(_) => ("date", None, None),
            ColumnKind::Text(_) => ("text", None, None),
            ColumnKind::Image(_) => ("image", None, None),
        };
        Column {
            name: column.name.clone(),
            kind: kind.to_owned(),
            words: column.in_words(),
            min: range.map(|(min, _)| min),
            max: range.map(|(_, max)| max),
            values,
        }
    };
    Data {
        schema_version: schema.version,
        label: schema.label.clone(),
        label_words: match &schema.label_kind {
            LabelKind::Binary => "0 or 1".to_owned(),
            LabelKind::Classes(classes) => format!("one of {}", classes.values.join(", ")),
            LabelKind::Number(number) => format!("a number from {} to {}", number.min, number.max),
        },
        columns: schema.columns.iter().map(column).collect(),
        sequence: schema.sequence.as_ref().map(|sequence| {
            format!(
                "the last of up to {} rows with the same {}, in the order of {}",
                sequence.steps, sequence.key, sequence.time
            )
        }),
        left_out: schema.leave_out.clone(),
        held_out: match &task.evaluation.split {
            Split::Hash { share } => format!(
                "about {:.0} % of each bank's rows, by a hash under a secret of the bank",
                share * 100.0
            ),
            Split::Column { column, held_out } => format!("rows with {} in {column}", held_out.join(" or ")),
            Split::Time { column, share } => {
                format!(
                    "about the latest {:.0} % of each bank's rows by {column}",
                    share * 100.0
                )
            }
        },
        desensitisation: "each bank's own: its policy.toml says what is done to columns before they are read, and is no part of the export; what \
                          other banks do is not known to this bank"
            .to_owned(),
    }
}

fn fairness(task: &Task, metrics: Option<&Measured>) -> Fairness {
    let groups = task.evaluation.groups.as_ref();
    let compares =
        |key: &str| veilsum_protocol::model::Figure::from_key(key).is_some_and(|it| it.compares_groups());
    let figures: BTreeMap<_, _> = metrics
        .into_iter()
        .flat_map(|measured| &measured.figures)
        .filter(|(key, _)| compares(key))
        .map(|(key, value)| (key.clone(), *value))
        .collect();
    let words = match groups {
        None => {
            "Not measured: the task names no groups of people, and nothing is known of how the model treats them"
        }
        Some(_) if figures.is_empty() => "Not measured yet: the round that judges the last model is not done",
        Some(_) => {
            "Differences between the groups with the greatest and the least share, over the held-out rows of all banks; the shares of each group are in \
             the auditor's report"
        }
    };
    Fairness {
        measured: !figures.is_empty(),
        column: groups.map(|groups| groups.column.clone()),
        groups: groups.map_or_else(Vec::new, |groups| {
            groups.names().into_iter().map(str::to_owned).collect()
        }),
        threshold: groups.map(|groups| groups.threshold),
        favourable: groups.map(|groups| groups.favourable),
        figures,
        words: words.to_owned(),
    }
}

fn privacy(task: &Task, thresholds: Thresholds) -> Privacy {
    let Thresholds {
        banks,
        colluders,
        threshold,
        min_survivors,
    } = thresholds;
    Privacy {
        secure_masking: true,
        min_banks_in_sum: min_survivors,
        threshold,
        colluders,
        clip_norm: task.encoding.clip_norm,
        range: task.encoding.range,
        differential_privacy: "none".to_owned(),
        epsilon: None,
        words: vec![
            format!(
                "Each bank's contribution left it under masks; only sums over at least {min_survivors} banks are opened, and {threshold} of the {banks} \
                 banks must act together to take masks off (by the roster that is in force now)."
            ),
            format!(
                "This holds against a coordinator that up to {colluders} of the banks help."
            ),
            format!(
                "A bank's change in a round is cut to length {} and to +-{} each.",
                task.encoding.clip_norm, task.encoding.range
            ),
            "No differential privacy is applied: no budget is spent, and no epsilon can be given. Masks hide single contributions, not what a sum or the \
             model shows."
                .to_owned(),
        ],
    }
}
