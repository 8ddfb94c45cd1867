//! Every family as a file gives the scores that `serve` gives: by onnxruntime, and by libtorch that reads TorchScript back.
#![allow(clippy::unwrap_used)]

mod carded;
mod cases;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::json;
use tch::{CModule, Device, Kind, Tensor};
use veilsum_onnx::{About, Answer};

use self::cases::{Case, cases};
use super::torchscript;
use crate::model::{Network, to_i64};
use crate::train::predict_batch;

/// What scores.py writes of a file.
#[derive(Debug, Deserialize)]
struct Ran {
    input: (String, String, serde_json::Value),
    output: (String, String, serde_json::Value),
    shape: Vec<usize>,
    scores: Vec<f64>,
    alone: Vec<f64>,
}

impl Case {
    /// What the scorer gives, and what becomes of it on the label's own scale.
    fn scores(&self) -> Vec<f64> {
        let target = self.answer.target();
        let network = Network::new(&self.spec, &self.shape, target);
        let parameters = network.parameters(&self.parameters, Device::Cpu).unwrap();
        let mut scores = Vec::new();
        predict_batch(&network, &parameters, &self.tensor(), target, &mut scores).unwrap();
        let value = |score: &f32| match self.answer {
            Answer::Number { scale, min, max } => scale.value(f64::from(*score), min, max),
            Answer::Probability | Answer::Probabilities(_) => f64::from(*score),
        };
        scores.iter().map(value).collect()
    }

    fn tensor(&self) -> Tensor {
        Tensor::from_slice(&self.rows).view([-1, to_i64(self.shape.width())])
    }

    /// The greatest difference; of numbers as they lie on the unit scale.
    fn off(&self, found: &[f64], expected: &[f64]) -> f64 {
        assert_eq!(found.len(), expected.len(), "{}", self.name);
        let unit = |score: f64| match self.answer {
            Answer::Number { scale, min, max } => scale.unit(score, min, max),
            Answer::Probability | Answer::Probabilities(_) => score,
        };
        let off = found
            .iter()
            .zip(expected)
            .map(|(found, expected)| (unit(*found) - unit(*expected)).abs());
        // Not `max` of floats, which passes over NaN.
        off.fold(
            0.0,
            |most: f64, off| if most.is_nan() || off <= most { most } else { off },
        )
    }
}

/// The interpreter of `scripts/setup-python test`.
fn python() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/setup-python");
    let made = Command::new(script).arg("test").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn run(cases: &serde_json::Value) -> BTreeMap<String, Ran> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export/scores.py");
    let mut child = Command::new(python())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(cases.to_string().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "scores.py failed, its words are above");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn onnxruntime_gives_the_scores_of_every_family() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases();
    let asked = cases.iter().map(|case| {
        let path = folder.path().join(format!("{}.onnx", case.name));
        let about = About {
            name: case.name.to_owned(),
            ..About::default()
        };
        let bytes = veilsum_onnx::model(&case.spec, &case.shape, &case.answer, &case.parameters, &about);
        fs::write(&path, bytes.unwrap()).unwrap();
        let rows: Vec<&[f32]> = case.rows.chunks(case.shape.width()).collect();
        json!({ "name": case.name, "model": path, "rows": rows })
    });
    let ran = run(&asked.collect());
    for case in &cases {
        let ran = &ran[case.name];
        let (rows, width) = (case.rows.len() / case.shape.width(), case.shape.width());
        let (shape, element, sizes) = match case.answer {
            Answer::Probabilities(classes) => (
                vec![rows, usize::from(classes)],
                "tensor(float)",
                json!(["rows", classes]),
            ),
            Answer::Probability => (vec![rows], "tensor(float)", json!(["rows"])),
            Answer::Number { .. } => (vec![rows], "tensor(double)", json!(["rows"])),
        };
        let name = case.answer.name().to_owned();
        assert_eq!(
            ran.input,
            (
                "inputs".to_owned(),
                "tensor(float)".to_owned(),
                json!(["rows", width])
            )
        );
        assert_eq!(ran.output, (name, element.to_owned(), sizes), "{}", case.name);
        assert_eq!(ran.shape, shape, "{}", case.name);
        let expected = case.scores();
        let off = case
            .off(&ran.scores, &expected)
            .max(case.off(&ran.alone, &expected));
        println!("{:<28} {off:.1e}", case.name);
        assert!(
            off <= 1e-5,
            "{}: {off}\n{:?}\n{expected:?}",
            case.name,
            ran.scores
        );
        // A model that says the same of every row would prove nothing.
        let spread = case.off(&expected, &vec![expected[0]; expected.len()]);
        assert!(spread > 1e-3, "{}: {spread}", case.name);
    }
}

#[test]
fn torchscript_read_back_gives_the_scores_of_every_family() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases() {
        let path = folder.path().join(format!("{}.pt", case.name));
        let module = torchscript::module(&case.spec, &case.shape, &case.answer, &case.parameters).unwrap();
        module.save(&path).unwrap();
        // Of each array its own numbers, and not the whole vector for each.
        let (size, least) = (
            fs::metadata(&path).unwrap().len(),
            4 * case.parameters.len() as u64,
        );
        assert!(
            (least..2 * least + 65_536).contains(&size),
            "{}: {size} of {least}",
            case.name
        );
        let read = CModule::load(&path).unwrap();
        let scores = |rows: &Tensor| -> Vec<f64> {
            let scores = read.forward_ts(&[rows]).unwrap();
            let size = case.answer.target().outputs();
            assert_eq!(scores.numel(), size * rows.size()[0] as usize, "{}", case.name);
            scores.to_kind(Kind::Double).reshape(-1).try_into().unwrap()
        };
        let (rows, expected) = (case.tensor(), case.scores());
        let count = rows.size()[0];
        let alone: Vec<f64> = (0..count).flat_map(|at| scores(&rows.narrow(0, at, 1))).collect();
        let off = case
            .off(&scores(&rows), &expected)
            .max(case.off(&alone, &expected));
        println!("{:<28} {off:.1e}", case.name);
        assert!(off <= 1e-6, "{}: {off}", case.name);
    }
}
