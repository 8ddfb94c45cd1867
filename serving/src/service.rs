//! What happens to a request below the transport: REST and gRPC both come through here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use ring::rand::{SecureRandom, SystemRandom};
use time::OffsetDateTime;
use tokio::sync::oneshot::Receiver;
use tokio::time::timeout_at;

use crate::batcher::{Coming, OneComing, Scored};
use crate::callers::{Caller, Callers};
use crate::card::Card;
use crate::decisions::{DecisionLog, Record};
use crate::explaining::Explainers;
use crate::explanation::{ExplainWishes, Explanation};
use crate::meters::Meters;
use crate::refusal::{Kind, Refusal};
use crate::registry::{Chosen, Registry, Served};
use crate::room::Room;
use crate::settings::{OnFailure, Settings};
use crate::tensor::{Batch, Data, Tensor, checked};

/// Longest id of a request in characters.
const ID_CHARACTERS: usize = 256;

/// Models, callers and counts of a server. Copies are the same server.
#[derive(Clone)]
pub struct Serving(Arc<Inner>);

struct Inner {
    settings: Settings,
    registry: Registry,
    callers: Callers,
    meters: Meters,
    decisions: Option<DecisionLog>,
    taking: AtomicBool,
    room: Room,
    coming: Coming,
    explainers: Explainers,
}

/// What a request asks for.
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) version: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) routing_key: Option<String>,
    pub(crate) tensors: Vec<Tensor>,
    /// Names of the outputs that are wanted; none means all.
    pub(crate) outputs: Vec<String>,
    pub(crate) until: Instant,
}

/// A request whose model was chosen and whose rows are as its card says.
struct Begun {
    id: String,
    chosen: Chosen,
    batch: Arc<Batch>,
    outputs: Vec<String>,
    until: Instant,
}

/// Where a request's scores come from.
enum Answer {
    /// They are there already.
    Here(Scored),
    /// A worker has still to give them.
    Waits(Receiver<Scored>),
}

/// What a request for explanations gets.
pub(crate) struct Explained {
    pub(crate) served: Arc<Served>,
    pub(crate) id: String,
    pub(crate) explanations: Vec<Explanation>,
}

/// What a request gets.
pub(crate) struct Answered {
    pub(crate) served: Arc<Served>,
    pub(crate) id: String,
    pub(crate) outputs: Vec<Tensor>,
}

impl Serving {
    /// A server without models. It is not ready before a model was published and [`Self::take`] was called. Decisions are written to
    /// `decisions`, whatever the settings say of a folder.
    ///
    /// # Errors
    /// What [`Settings::problems`] finds, a line for each.
    pub fn new(settings: Settings, callers: Callers, decisions: Option<DecisionLog>) -> Result<Self, String> {
        let problems = settings.problems();
        if !problems.is_empty() {
            return Err(problems.join("\n"));
        }
        let meters = Meters::new();
        let coming = Coming::default();
        Ok(Self(Arc::new(Inner {
            registry: Registry::new(settings.batching, meters.clone(), coming.clone()),
            coming,
            room: Room::new(settings.max_held_bytes),
            explainers: Explainers::new(settings.explaining),
            settings,
            callers,
            meters,
            decisions,
            taking: AtomicBool::new(false),
        })))
    }

    /// Whether requests are taken from now on.
    pub fn take(&self, taking: bool) {
        self.0.taking.store(taking, Ordering::Release);
    }

    /// Whether requests are taken, and there is a model that can answer them.
    pub fn is_ready(&self) -> bool {
        self.0.taking.load(Ordering::Acquire) && !self.0.registry.standings().is_empty()
    }

    /// The models.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Who may ask.
    pub fn callers(&self) -> &Callers {
        &self.0.callers
    }

    /// What is counted, in the OpenMetrics text format, whose media type is that of [`crate::METRICS_TYPE`].
    ///
    /// # Errors
    /// None that a count can cause.
    pub fn metrics(&self) -> Result<String, std::fmt::Error> {
        self.0.meters.ready(self.is_ready());
        self.0.meters.text()
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// What is set.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// A request for scores is on its way, until it is in a queue or refused.
    pub(crate) fn coming(&self) -> OneComing {
        self.0.coming.one()
    }

    /// Room for bodies.
    pub(crate) fn room(&self) -> &Room {
        &self.0.room
    }

    /// Scores the rows of a request. The version stands in the place that is given as soon as it was chosen, so that a refusal is counted for it.
    pub(crate) async fn infer(
        &self,
        caller: &Caller,
        ask: Ask,
        coming: OneComing,
        chosen_version: &OnceLock<Arc<Served>>,
    ) -> Result<Answered, Refusal> {
        let Begun {
            id,
            chosen,
            batch,
            outputs: wished,
            until,
        } = self.begin(ask, chosen_version)?;
        let card = chosen.served.card();
        let rows = batch.rows();
        caller.spend(rows, Instant::now())?;
        let batcher = &chosen.served.batcher;
        let answer = match batcher.at_once(&batch, until, &coming) {
            Some(scored) => {
                drop(coming);
                Answer::Here(scored)
            }
            None => Answer::Waits(batcher.put(Arc::clone(&batch), until, coming)?),
        };
        // The shadow has until the same moment, and a queue of its own: it takes nothing from the version that answers but the processor.
        let beside = chosen.shadow.map(|shadow| {
            let scored = shadow.batcher.put(Arc::clone(&batch), until, self.coming());
            (shadow, scored)
        });
        let outputs = match answer {
            Answer::Here(scored) => scored,
            Answer::Waits(answered) => match timeout_at(until.into(), answered).await {
                Err(_) => {
                    let words = "the time that the request had is over; give it more by x-request-timeout-ms, or ask when fewer do";
                    Err(Refusal::new(Kind::Late, words))
                }
                Ok(Err(_)) => Err(Refusal::new(
                    Kind::Model,
                    format!("model {:?} gave no answer", card.name),
                )),
                Ok(Ok(scored)) => scored,
            },
        }?;
        if let Some((shadow, scored)) = beside {
            let (meters, outputs) = (self.0.meters.clone(), outputs.clone());
            match scored {
                Ok(scored) => {
                    tokio::spawn(async move { compare(&meters, &shadow, &outputs, scored.await.ok()) });
                }
                Err(_) => compare(&meters, &shadow, &outputs, None),
            }
        }
        self.write_down(until, || {
            Record::new(
                OffsetDateTime::now_utc(),
                &id,
                caller.name(),
                card,
                batch.tensors(),
                &outputs,
            )
        })
        .await?;
        self.0
            .meters
            .scored(&card.name, &card.version, caller.name(), rows);
        let outputs = match wished.as_slice() {
            [] => outputs,
            names => outputs
                .into_iter()
                .filter(|output| names.contains(&output.name))
                .collect(),
        };
        Ok(Answered {
            served: chosen.served,
            id,
            outputs,
        })
    }

    /// Says of each row of a request why its score is what it is. What was said is written down as scores are: a notice to a customer must be found again.
    pub(crate) async fn explain(
        &self,
        caller: &Caller,
        ask: Ask,
        wishes: ExplainWishes,
        chosen_version: &OnceLock<Arc<Served>>,
    ) -> Result<Explained, Refusal> {
        let Begun {
            id,
            chosen,
            batch,
            until,
            ..
        } = self.begin(ask, chosen_version)?;
        self.0.explainers.check(&wishes, &batch)?;
        caller.spend(batch.rows(), Instant::now())?;
        let model = chosen.served.model();
        let explanations = self
            .0
            .explainers
            .explain(model, Arc::clone(&batch), wishes, until)
            .await?;
        self.write_down(until, || {
            let now = OffsetDateTime::now_utc();
            let record = Record::new(
                now,
                &id,
                caller.name(),
                chosen.served.card(),
                batch.tensors(),
                &[],
            )?;
            Ok(record.with(&explanations))
        })
        .await?;
        Ok(Explained {
            served: chosen.served,
            id,
            explanations,
        })
    }

    /// Chooses the version, and checks the rows against its card.
    fn begin(&self, ask: Ask, chosen_version: &OnceLock<Arc<Served>>) -> Result<Begun, Refusal> {
        if !self.0.taking.load(Ordering::Acquire) {
            let second = std::time::Duration::from_secs(1);
            return Err(Refusal::later(
                Kind::Unavailable,
                second,
                "this server takes no requests now",
            ));
        }
        let id = ask.id.map_or_else(make_id, is_id)?;
        let key = ask.routing_key.as_deref().unwrap_or(&id);
        let chosen = self.0.registry.choose(&ask.model, ask.version.as_deref(), key)?;
        // A request chooses once; whoever counts it has a new place for each.
        let _ = chosen_version.set(Arc::clone(&chosen.served));
        let card = chosen.served.card();
        wanted(card, &ask.outputs)?;
        let batch = Arc::new(checked(card, ask.tensors, self.0.settings.limits())?);
        Ok(Begun {
            id,
            chosen,
            batch,
            outputs: ask.outputs,
            until: ask.until,
        })
    }

    /// `record` is made only where decisions are written down.
    async fn write_down(
        &self,
        until: Instant,
        record: impl FnOnce() -> Result<Record, String>,
    ) -> Result<(), Refusal> {
        let Some(log) = &self.0.decisions else {
            return Ok(());
        };
        let written = match record() {
            // The record of a disk that takes too long may still be written, though no score was given for it.
            Ok(record) => timeout_at(until.into(), log.append(record))
                .await
                .unwrap_or_else(|_| Err("the disk took longer than the request has time".to_owned())),
            Err(problem) => Err(problem),
        };
        let Err(problem) = written else { return Ok(()) };
        self.0.meters.decision_lost();
        tracing::error!(%problem, "a decision could not be written down");
        match log.on_failure() {
            OnFailure::GoOn => Ok(()),
            OnFailure::Refuse => {
                let words = "the decision could not be written down, so no score is given; the bank's operator must look at the disk";
                let pause = std::time::Duration::from_secs(5);
                Err(Refusal::later(Kind::Unavailable, pause, words))
            }
        }
    }
}

fn make_id() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        Refusal::new(
            Kind::Unavailable,
            "the system gives no randomness for a request's id; send one",
        )
    })?;
    Ok(hex::encode(bytes))
}

fn is_id(id: String) -> Result<String, Refusal> {
    let length = id.chars().count();
    if length > ID_CHARACTERS || id.chars().any(char::is_control) {
        let words = format!(
            "the request's id has {length} characters; expected at most {ID_CHARACTERS}, and no control characters"
        );
        return Err(Refusal::invalid(words));
    }
    if id.is_empty() { make_id() } else { Ok(id) }
}

fn wanted(card: &Card, names: &[String]) -> Result<(), Refusal> {
    for (at, name) in names.iter().enumerate() {
        if !card.outputs.iter().any(|spec| spec.name == *name) {
            let there: Vec<String> = card.outputs.iter().map(crate::card::TensorSpec::told).collect();
            let words = format!(
                "output {name:?} is not one of model {:?}; it gives {}",
                card.name,
                there.join(", ")
            );
            return Err(Refusal::invalid(words));
        }
        if names.iter().take(at).any(|other| other == name) {
            return Err(Refusal::invalid(format!(
                "output {name:?} is asked for twice; ask for it once"
            )));
        }
    }
    Ok(())
}

fn compare(meters: &Meters, shadow: &Served, outputs: &[Tensor], scored: Option<Scored>) {
    let card = shadow.card();
    let Some(Ok(others)) = scored else {
        meters.shadow_failed(&card.name, &card.version);
        return;
    };
    for output in outputs {
        let Some(other) = others.iter().find(|other| other.name == output.name) else {
            continue;
        };
        for difference in differences(output, other) {
            meters.difference(&card.name, &card.version, &output.name, difference);
        }
    }
}

/// For each row the largest difference of its elements; 1 where what is no floating-point number differs.
fn differences(one: &Tensor, other: &Tensor) -> Vec<f64> {
    let rows = one.rows().max(1);
    let width = (one.data.len() / rows).max(1);
    let each: Vec<f64> = match (&one.data, &other.data) {
        (Data::Fp32(one), Data::Fp32(other)) => one
            .iter()
            .zip(other)
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs())
            .collect(),
        (Data::Fp64(one), Data::Fp64(other)) => one.iter().zip(other).map(|(a, b)| (a - b).abs()).collect(),
        (Data::Bytes(one), Data::Bytes(other)) => one
            .iter()
            .zip(other)
            .map(|(a, b)| f64::from(u8::from(a != b)))
            .collect(),
        (one, other) => {
            let (one, other) = (crate::tensor::to_binary(one), crate::tensor::to_binary(other));
            let (Ok(one), Ok(other)) = (one, other) else {
                return Vec::new();
            };
            let bytes = (one.len() / (rows * width)).max(1);
            one.chunks(bytes)
                .zip(other.chunks(bytes))
                .map(|(a, b)| f64::from(u8::from(a != b)))
                .collect()
        }
    };
    each.chunks(width)
        .map(|row| row.iter().copied().fold(0.0, f64::max))
        .collect()
}
