//! From raw rows to scores.

use std::sync::{Mutex, PoisonError};

use csv::StringRecord;
use tch::Tensor;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::model::{InputShape, ModelSpec, Moments, Preparation, Target};
use veilsum_protocol::task::{ColumnKind, Examples, LabelKind, Schema, Task, WhenMissing};

use crate::data::{Asked, DataError, Dataset, EncodeError};
use crate::desensitise::Rules;
use crate::model::{FewRows, Network, Parameters, to_i64};
use crate::train::{Runtime, TrainError, append, predict_batch, predicted};

/// Why rows are not scored.
#[derive(Debug, thiserror::Error)]
pub enum ScorerError {
    /// The task has no model yet.
    #[error("the task's model has no moments, vocabularies or counts yet: its first rounds are not done")]
    NoModel,
    /// The rows do not fit the schema, or the bank's rules do not.
    #[error(transparent)]
    Rows(#[from] DataError),
    /// The state is of another schema.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// libtorch, or a score that is no number.
    #[error(transparent)]
    Model(#[from] TrainError),
}

impl From<tch::TchError> for ScorerError {
    fn from(error: tch::TchError) -> Self {
        Self::Model(error.into())
    }
}

/// What a row has to hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// The column's name in the bank's table.
    pub name: String,
    /// What its cells are.
    pub kind: FeatureKind,
    /// Whether a cell may be without a value.
    pub may_miss: bool,
}

/// What a cell is.
#[derive(Clone, Debug, PartialEq)]
pub enum FeatureKind {
    /// A number, or a missing value.
    Number,
    /// One of a list of values.
    Category(Vec<String>),
    /// A date or time.
    Date,
    /// A text.
    Text,
    /// An image, shape `[channels, height, width]`.
    Image([usize; 3]),
    /// What rows of one sequence share.
    Key,
    /// What orders the rows of a sequence: a number, a date or a time.
    Time,
    /// A column by which the bank's policy shifts dates.
    ShiftsBy,
}

/// A model that scores rows. It can be used by many threads at once.
pub struct Scorer {
    asked: Asked,
    spec: ModelSpec,
    moments: Moments,
    preparation: Option<Preparation>,
    network: Network,
    shape: InputShape,
    target: Target,
    runtime: Runtime,
    /// On the CPU, for a few rows of a small network.
    few: Option<FewRows>,
    /// A tensor is used by one thread at a time: those that are idle now.
    parameters: Mutex<Vec<Parameters>>,
    values: Vec<f32>,
    is_personal: bool,
}

impl Scorer {
    /// The model in `state`, with the bank's personal parameters in the place of model 0's if the task has some, under the bank's rules.
    ///
    /// # Errors
    /// [`ScorerError::NoModel`] before the first rounds are done; a rule that does not fit the schema.
    pub fn new(
        task: &Task,
        state: &TaskState,
        personal: Option<&[f32]>,
        rules: Rules,
        runtime: Runtime,
    ) -> Result<Self, ScorerError> {
        let moments = state.moments.clone().ok_or(ScorerError::NoModel)?;
        let found = state.vocabularies.as_ref();
        let is_open = task.schema.open_columns().next().is_some();
        let agreed = found.is_some_and(|found| found.agreed().is_some());
        if (is_open && !agreed) || (task.preparation.is_some() && state.preparation.is_none()) {
            return Err(ScorerError::NoModel);
        }
        let schema = task.schema.with_found(found);
        let spec = task.model.clone();
        let shape = schema.input_shape(spec.embeds_categories());
        let target = schema.target();
        let mut values = state.parameters.clone();
        if let Some(personal) = personal {
            task.shared().put_personal(personal, &mut values);
        }
        let network = Network::new(&spec, &shape, target);
        let total = network.manifest().total();
        if values.len() != total {
            return Err(TrainError::shape("parameters", values.len(), total).into());
        }
        let few = match runtime.device() {
            tch::Device::Cpu => FewRows::new(&spec, network.manifest(), &values),
            _ => None,
        };
        Ok(Self {
            asked: Asked::new(schema, rules)?,
            spec,
            moments,
            preparation: state.preparation.clone(),
            shape,
            target,
            few,
            network,
            runtime,
            parameters: Mutex::default(),
            values,
            is_personal: personal.is_some(),
        })
    }

    /// Whether the bank's personal parameters are in it.
    pub fn is_personal(&self) -> bool {
        self.is_personal
    }

    /// The schema, with the values that the banks have found.
    pub fn schema(&self) -> &Schema {
        self.asked.schema()
    }

    /// The family of the model, with its sizes.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The parameters in the order of the family's manifest, personal ones in the place of model 0's.
    pub fn parameters(&self) -> &[f32] {
        &self.values
    }

    /// Whether a rule of the bank's policy changes the cells of a column before they are read.
    pub fn is_ruled(&self, column: &str) -> bool {
        self.asked.rules().policy().columns.contains_key(column)
    }

    /// How rows that somebody asks about are read.
    pub(crate) fn asked(&self) -> &Asked {
        &self.asked
    }

    /// What a model of it predicts.
    pub fn target(&self) -> Target {
        self.target
    }

    /// How many numbers are predicted of a row: one, or one for each class.
    pub fn outputs(&self) -> usize {
        match self.target {
            Target::Classes(classes) => usize::from(classes),
            Target::Binary | Target::Number => 1,
        }
    }

    /// The names of the classes, or of the label where there is one output.
    pub fn output_names(&self) -> Vec<String> {
        match &self.schema().label_kind {
            LabelKind::Classes(classes) => classes.values.clone(),
            LabelKind::Binary | LabelKind::Number(_) => vec![self.schema().label.clone()],
        }
    }

    /// Whether rows are steps of sequences, of which the last is scored; then the most steps that are looked at.
    pub fn sequence(&self) -> Option<usize> {
        self.schema().sequence.as_ref().map(|sequence| sequence.steps)
    }

    /// Whether the bank trained on the last row of each sequence alone.
    pub fn scores_the_last_row(&self) -> bool {
        let sequence = self.schema().sequence.as_ref();
        sequence.is_some_and(|sequence| sequence.examples == Examples::Last)
    }

    /// The columns that a row has to hold, in the order of [`score`](Self::score)'s records.
    pub fn features(&self) -> Vec<Feature> {
        let schema = self.schema();
        let features = self.asked.columns().iter().map(|name| {
            let column = schema
                .columns
                .iter()
                .find(|column| column.cells().iter().any(|cell| cell == name));
            let sequence = schema.sequence.as_ref();
            let kind = match column.map(|column| &column.kind) {
                // A time may be a column of the model's as well.
                _ if sequence.is_some_and(|sequence| sequence.key == *name) => FeatureKind::Key,
                _ if sequence.is_some_and(|sequence| sequence.time == *name) => FeatureKind::Time,
                Some(ColumnKind::Number(_)) => FeatureKind::Number,
                Some(ColumnKind::Category(category)) => FeatureKind::Category(category.values.clone()),
                Some(ColumnKind::Date(_)) => FeatureKind::Date,
                Some(ColumnKind::Text(_)) => FeatureKind::Text,
                Some(ColumnKind::Image(image)) => {
                    FeatureKind::Image([image.channels, image.height, image.width].map(|size| size as usize))
                }
                None => FeatureKind::ShiftsBy,
            };
            let may_miss = match column.map(|column| &column.kind) {
                Some(ColumnKind::Number(number)) => number.when_missing == WhenMissing::Mean,
                Some(ColumnKind::Date(date)) => date.when_missing == WhenMissing::Mean,
                Some(ColumnKind::Category(category)) => category.other_bucket,
                Some(ColumnKind::Text(_)) => true,
                _ => false,
            };
            Feature {
                name: name.clone(),
                kind,
                may_miss,
            }
        });
        features.collect()
    }

    /// Scores rows of texts under [`features`](Self::features): shape `[rows, outputs]`, row-major, the probability of label 1, of each class, or the
    /// number on the label's scale. Where rows are steps of sequences, the last row of each key, in the order of the rows.
    ///
    /// # Errors
    /// The first cell that does not fit, with its row from 1 and its column.
    pub fn score(&self, rows: &[StringRecord]) -> Result<Vec<f32>, ScorerError> {
        self.score_inputs(&self.inputs(rows)?)
    }

    /// What the model is given of such rows, shape `[rows, width]`.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn inputs(&self, rows: &[StringRecord]) -> Result<Vec<f32>, ScorerError> {
        self.encoded(self.asked.rows(rows)?)
    }

    /// Such rows as a table of their own, for whoever asks for their values, and which of its rows are asked about: all, or the last of each key.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn read(&self, rows: &[StringRecord]) -> Result<(Dataset, Vec<u32>), ScorerError> {
        Ok(self.asked.rows(rows)?)
    }

    /// What the model is given of images, shape `[rows, channels, height, width]`, 255 for 1.
    ///
    /// # Errors
    /// If there is no room for them.
    pub fn image_inputs(&self, pixels: Vec<u8>) -> Result<Vec<f32>, ScorerError> {
        self.encoded(self.asked.images(pixels)?)
    }

    /// Numbers of a row as the model is given them.
    pub fn width(&self) -> usize {
        self.shape.width()
    }

    /// What the model is given of rows of the bank's own table, shape `[rows, width]`. The table must have been read under the model's task.
    ///
    /// # Errors
    /// If it was not, or rows that lie in a file cannot be read back.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn table_inputs(&self, table: &Dataset, rows: &[u32]) -> Result<Vec<f32>, ScorerError> {
        let data = table.encode_prepared(&self.spec, &self.moments, self.preparation.as_ref())?;
        let width = self.width();
        let mut inputs = Vec::with_capacity(rows.len() * width);
        data.inputs.reader(width).append(rows, &[], &mut inputs)?;
        Ok(inputs)
    }

    /// What a row is to the model.
    pub fn shape(&self) -> &InputShape {
        &self.shape
    }

    fn encoded(&self, (rows, asked): (Dataset, Vec<u32>)) -> Result<Vec<f32>, ScorerError> {
        self.table_inputs(&rows, &asked)
    }

    /// Scores rows that are encoded already, shape `[rows, width]`, as [`score`](Self::score) does.
    ///
    /// # Errors
    /// If they are no whole rows, or libtorch fails.
    pub fn score_inputs(&self, inputs: &[f32]) -> Result<Vec<f32>, ScorerError> {
        let width = self.width();
        if width == 0 || !inputs.len().is_multiple_of(width) {
            return Err(TrainError::shape("inputs", inputs.len(), format!("rows of {width}")).into());
        }
        let few = self.few.as_ref();
        if let Some(few) = few.filter(|few| few.takes(inputs.len() / width)) {
            return Ok(predicted(self.target, few.outputs(inputs, width))?);
        }
        self.by_libtorch(inputs)
    }

    /// Scores nothing of anybody, so that the first rows do not wait for libtorch.
    ///
    /// # Errors
    /// What keeps the model from scoring at all.
    pub fn warm_up(&self) -> Result<(), ScorerError> {
        let row = vec![0.0; self.width()];
        self.score_inputs(&row)?;
        self.by_libtorch(&row).map(drop)
    }

    /// Whole rows of inputs, however many.
    fn by_libtorch(&self, inputs: &[f32]) -> Result<Vec<f32>, ScorerError> {
        let width = self.width();
        self.runtime.enter();
        let parameters = self.take()?;
        let mut scores = Vec::with_capacity(inputs.len() / width * self.outputs());
        for rows in inputs.chunks(self.network.rows_at_once() * width) {
            let rows = Tensor::f_from_slice(rows)?
                .f_view([to_i64(rows.len() / width), to_i64(width)])?
                .f_to_device(self.runtime.device())?;
            predict_batch(&self.network, &parameters, &rows, self.target, &mut scores)?;
        }
        self.lock().push(parameters);
        Ok(scores)
    }

    /// The derivative of one output's score by each number of rows that are encoded already, shape `[rows, width]`. A category's number, by which an
    /// embedding is looked up, has none: it gets 0.
    ///
    /// # Errors
    /// As [`score_inputs`](Self::score_inputs); an output that is none.
    pub fn input_gradients(&self, inputs: &[f32], output: usize) -> Result<Vec<f32>, ScorerError> {
        let width = self.width();
        if width == 0 || !inputs.len().is_multiple_of(width) || output >= self.outputs() {
            return Err(TrainError::shape("inputs", inputs.len(), format!("rows of {width}")).into());
        }
        self.runtime.enter();
        let parameters = self.take()?;
        let mut slopes = Vec::with_capacity(inputs.len());
        for rows in inputs.chunks(self.network.rows_at_once() * width) {
            let rows = Tensor::f_from_slice(rows)?
                .f_view([to_i64(rows.len() / width), to_i64(width)])?
                .f_to_device(self.runtime.device())?;
            let score = |outputs: &Tensor| -> Result<Tensor, tch::TchError> {
                match self.target {
                    Target::Binary => outputs.f_sigmoid(),
                    Target::Classes(_) => outputs.f_softmax(-1, None)?.f_select(-1, to_i64(output)),
                    Target::Number => Ok(outputs.shallow_clone()),
                }
            };
            let found = self.network.input_gradients(&parameters, &rows, score)?;
            append(&found, &mut slopes)?;
        }
        self.lock().push(parameters);
        Ok(slopes)
    }

    fn take(&self) -> Result<Parameters, ScorerError> {
        let idle = self.lock().pop();
        match idle {
            Some(parameters) => Ok(parameters),
            None => Ok(self.network.parameters(&self.values, self.runtime.device())?),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Parameters>> {
        // Whoever panicked has taken its own away.
        self.parameters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
