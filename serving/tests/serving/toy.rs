//! A linear model of three columns, which counts what it is asked and can be held.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};
use veilsum_serving::{
    Amount, Batch, Card, Data, Datatype, Explanation, Model, NotExplained, Provenance, Question, RowProblem,
    Tensor, TensorSpec,
};

pub(crate) const HASH: &str = "5f2c0a";

/// `factor * (age / 2 + income / 1000 + region)`, where north is 1 and south is 2, and a missing income is 0.
pub(crate) struct Linear {
    card: Card,
    factor: f64,
    calls: Mutex<Vec<usize>>,
    gate: Option<Gate>,
}

/// The model says that it has rows, and waits for a word before it scores them.
struct Gate {
    entered: mpsc::Sender<usize>,
    go: Mutex<mpsc::Receiver<()>>,
}

impl Gate {
    fn pair() -> (Self, mpsc::Receiver<usize>, mpsc::Sender<()>) {
        let (entered, has_entered) = mpsc::channel();
        let (let_go, go) = mpsc::channel();
        let go = Mutex::new(go);
        (Self { entered, go }, has_entered, let_go)
    }

    fn wait(&self, rows: usize) {
        // A test that is over has dropped the other ends.
        let _ = self.entered.send(rows);
        let _ = self.go.lock().unwrap().recv();
    }
}

impl Linear {
    pub(crate) fn version(version: &str, factor: f64) -> Self {
        let input = |name: &str, datatype| TensorSpec::column(name, datatype);
        let mut income = input("income", Datatype::Fp64);
        income.missing = true;
        Self {
            card: Card {
                name: "credit".to_owned(),
                version: version.to_owned(),
                provenance: Provenance {
                    model_hash: Some(format!("{HASH}{version}")),
                    round: Some(12),
                    log_entry: Some(345),
                    checkpoint_size: Some(400),
                    task_hash: Some("77aa".to_owned()),
                },
                inputs: vec![
                    input("age", Datatype::Fp32),
                    income,
                    input("region", Datatype::Bytes),
                ],
                outputs: vec![input("score", Datatype::Fp64), input("label", Datatype::Bytes)],
            },
            factor,
            calls: Mutex::default(),
            gate: None,
        }
    }

    /// One that waits: what it says when it has rows, and how to let it go on.
    pub(crate) fn held(version: &str) -> (Arc<Self>, mpsc::Receiver<usize>, mpsc::Sender<()>) {
        let (gate, has_entered, let_go) = Gate::pair();
        let mut model = Self::version(version, 1.0);
        model.gate = Some(gate);
        (Arc::new(model), has_entered, let_go)
    }

    /// Rows of each call so far.
    pub(crate) fn calls(&self) -> Vec<usize> {
        self.calls.lock().unwrap().clone()
    }
}

pub(crate) fn expected(factor: f64, age: f64, income: f64, region: f64) -> f64 {
    factor * (age / 2.0 + income / 1000.0 + region)
}

impl Model for Linear {
    fn card(&self) -> &Card {
        &self.card
    }

    fn score(&self, rows: &Batch) -> Result<Vec<Tensor>, RowProblem> {
        self.calls.lock().unwrap().push(rows.rows());
        if let Some(gate) = &self.gate {
            gate.wait(rows.rows());
        }
        let (Some(age), Some(income), Some(region)) =
            (rows.tensor("age"), rows.tensor("income"), rows.tensor("region"))
        else {
            panic!("the batch is not that of the card");
        };
        let (Data::Fp32(ages), Data::Fp64(incomes), Data::Bytes(regions)) =
            (&age.data, &income.data, &region.data)
        else {
            panic!("the batch has other types than the card");
        };
        let mut scores = Vec::new();
        for (row, ((age, money), region)) in ages.iter().zip(incomes).zip(regions).enumerate() {
            let missing = income.missing.as_ref().is_some_and(|marks| marks[row]);
            assert_eq!(missing, money.is_nan());
            let money = if missing { 0.0 } else { *money };
            let region = match region.as_str() {
                "north" => 1.0,
                "south" => 2.0,
                "panic" => panic!("as the row says"),
                other => {
                    return Err(RowProblem {
                        row,
                        column: "region".to_owned(),
                        found: format!("{other:?}"),
                        expected: "north or south".to_owned(),
                    });
                }
            };
            scores.push(expected(self.factor, f64::from(*age), money, region));
        }
        let labels = scores
            .iter()
            .map(|&score| if score > 50.0 { "high" } else { "low" }.to_owned());
        let labels = Data::Bytes(labels.collect());
        Ok(vec![
            Tensor::column("score", Data::Fp64(scores)),
            Tensor::column("label", labels),
        ])
    }

    /// What age adds, against an age of 0; the rest is the base.
    fn explain(&self, rows: &Batch, question: &Question<'_>) -> Result<Vec<Explanation>, NotExplained> {
        if question.wishes.output.is_some() {
            return Err(NotExplained::Wish("found an output, expected none".to_owned()));
        }
        let scored = self.score(rows).map_err(NotExplained::Row)?;
        let (Some(Data::Fp32(ages)), Some(Data::Fp64(scores))) = (
            rows.tensor("age").map(|age| &age.data),
            scored.first().map(|score| &score.data),
        ) else {
            panic!("the batch is not that of the card");
        };
        let explained = ages.iter().zip(scores).map(|(age, score)| {
            let amount = self.factor * f64::from(*age) / 2.0;
            Explanation {
                score: *score,
                base: score - amount,
                method: question.wishes.method,
                exact: true,
                residual: 0.0,
                features: vec![Amount {
                    name: "age".to_owned(),
                    value: Some(age.to_string()),
                    amount,
                }],
                reasons: Vec::new(),
                remarks: Vec::new(),
                counterfactual: None,
            }
        });
        Ok(explained.collect())
    }
}

/// A request of rows of age, income and region, as JSON.
pub(crate) fn request(rows: &[(f64, Option<f64>, &str)]) -> Value {
    let count = rows.len();
    json!({ "inputs": [
        { "name": "age", "datatype": "FP32", "shape": [count], "data": rows.iter().map(|row| row.0).collect::<Vec<_>>() },
        { "name": "income", "datatype": "FP64", "shape": [count], "data": rows.iter().map(|row| row.1).collect::<Vec<_>>() },
        { "name": "region", "datatype": "BYTES", "shape": [count], "data": rows.iter().map(|row| row.2).collect::<Vec<_>>() },
    ] })
}

/// A request of one good row.
pub(crate) fn one_row() -> Value {
    request(&[(40.0, Some(30_000.0), "north")])
}

/// A model whose answers do not keep what its card promises.
pub(crate) struct Broken {
    card: Card,
    calls: AtomicUsize,
}

impl Broken {
    pub(crate) fn named(name: &str, version: &str) -> Self {
        let mut card = Linear::version(version, 1.0).card;
        card.name = name.to_owned();
        Self {
            card,
            calls: AtomicUsize::new(0),
        }
    }
}

impl Model for Broken {
    fn card(&self) -> &Card {
        &self.card
    }

    fn score(&self, _: &Batch) -> Result<Vec<Tensor>, RowProblem> {
        let scores = Tensor::column("score", Data::Fp64(vec![1.0, 2.0, 3.0]));
        let labels = Tensor::column("label", Data::Bytes(vec![String::new(); 3]));
        Ok(match self.calls.fetch_add(1, Ordering::Relaxed) {
            0 => vec![scores.clone()],
            1 => vec![scores, labels],
            _ => panic!("a model that stops"),
        })
    }
}

/// Of a sequence of any length and a picture of two by two: the sum and the length of the one, the sum of the other.
pub(crate) struct Sums {
    card: Card,
    calls: Mutex<Vec<usize>>,
    gate: Gate,
}

impl Sums {
    pub(crate) fn held() -> (Arc<Self>, mpsc::Receiver<usize>, mpsc::Sender<()>) {
        let spec = |name: &str, datatype, shape: &[i64]| TensorSpec {
            name: name.to_owned(),
            datatype,
            shape: shape.to_vec(),
            missing: false,
        };
        let mut card = Linear::version("1", 1.0).card;
        card.name = "sums".to_owned();
        card.inputs = vec![
            spec("steps", Datatype::Fp32, &[-1, -1]),
            spec("picture", Datatype::Uint8, &[-1, 1, 2, 2]),
        ];
        card.outputs = vec![spec("sums", Datatype::Fp64, &[-1, 3])];
        let (gate, has_entered, let_go) = Gate::pair();
        let calls = Mutex::default();
        (Arc::new(Self { card, calls, gate }), has_entered, let_go)
    }

    pub(crate) fn calls(&self) -> Vec<usize> {
        self.calls.lock().unwrap().clone()
    }
}

impl Model for Sums {
    fn card(&self) -> &Card {
        &self.card
    }

    fn score(&self, rows: &Batch) -> Result<Vec<Tensor>, RowProblem> {
        self.calls.lock().unwrap().push(rows.rows());
        self.gate.wait(rows.rows());
        let [steps, picture] = rows.tensors() else {
            panic!("two inputs")
        };
        let (Data::Fp32(numbers), Data::Uint8(points)) = (&steps.data, &picture.data) else {
            panic!("the batch has other types than the card");
        };
        let length = steps.shape[1];
        let mut sums = Vec::new();
        for (numbers, points) in numbers.chunks(length).zip(points.chunks(4)) {
            sums.push(numbers.iter().map(|&number| f64::from(number)).sum());
            sums.push(f64::from(u32::try_from(length).unwrap()));
            sums.push(points.iter().map(|&point| f64::from(point)).sum());
        }
        let shape = vec![rows.rows(), 3];
        let (name, data) = ("sums".to_owned(), Data::Fp64(sums));
        Ok(vec![Tensor {
            name,
            shape,
            data,
            missing: None,
        }])
    }
}
