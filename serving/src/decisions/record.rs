//! A record: what was asked and answered, with the model that did.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::card::Card;
use crate::explanation::Explanation;
use crate::tensor::{Datatype, Limits, Tensor, from_json, to_json};

/// A scored request.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// When it was answered, in milliseconds since 1970 UTC.
    pub time_ms: i64,
    /// The request's id.
    pub id: String,
    /// Who asked.
    pub caller: String,
    /// Name of the model.
    pub model: String,
    /// Its version.
    pub version: String,
    /// Hash of its parameters, if it is known.
    pub model_hash: Option<String>,
    /// The rows as they were given, a tensor for each input.
    pub inputs: Vec<Written>,
    /// The answer as it was given, a tensor for each output; none where explanations were asked for.
    pub outputs: Vec<Written>,
    /// What was said of the rows, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explanations: Vec<Explanation>,
}

/// A tensor of a record, as the protocol writes it in JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct Written {
    name: String,
    datatype: String,
    shape: Vec<usize>,
    data: Box<RawValue>,
}

impl Written {
    fn new(tensor: &Tensor) -> Result<Self, serde_json::Error> {
        Ok(Self {
            name: tensor.name.clone(),
            datatype: tensor.data.datatype().name().to_owned(),
            shape: tensor.shape.clone(),
            data: to_json(tensor)?,
        })
    }

    /// The tensor's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tensor.
    ///
    /// # Errors
    /// If the record was not written by this crate.
    pub fn tensor(&self) -> Result<Tensor, String> {
        let datatype: Datatype = self.datatype.parse()?;
        let shape: Result<Vec<i64>, _> = self.shape.iter().map(|&length| i64::try_from(length)).collect();
        let shape = shape.map_err(|_| format!("tensor {:?} has the shape {:?}", self.name, self.shape))?;
        let all = Limits {
            rows: usize::MAX,
            elements: self.data.get().len(),
        };
        from_json(&self.name, datatype, &shape, &self.data, all).map_err(|refusal| refusal.words)
    }
}

impl Record {
    /// How many rows were scored.
    pub fn rows(&self) -> usize {
        let first = self.outputs.first().or(self.inputs.first());
        first
            .and_then(|written| written.shape.first())
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn new(
        now: OffsetDateTime,
        id: &str,
        caller: &str,
        card: &Card,
        inputs: &[Tensor],
        outputs: &[Tensor],
    ) -> Result<Self, String> {
        let written = |tensors: &[Tensor]| -> Result<Vec<Written>, String> {
            let written: Result<_, _> = tensors.iter().map(Written::new).collect();
            written.map_err(|error| error.to_string())
        };
        Ok(Self {
            time_ms: i64::try_from(now.unix_timestamp_nanos() / 1_000_000)
                .map_err(|_| "the clock is out of range")?,
            id: id.to_owned(),
            caller: caller.to_owned(),
            model: card.name.clone(),
            version: card.version.clone(),
            model_hash: card.provenance.model_hash.clone(),
            inputs: written(inputs)?,
            outputs: written(outputs)?,
            explanations: Vec::new(),
        })
    }

    /// The same with what was said of the rows.
    pub(crate) fn with(self, explanations: &[Explanation]) -> Self {
        Self {
            explanations: explanations.to_vec(),
            ..self
        }
    }
}
