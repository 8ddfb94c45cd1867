//! How fast the daemon's training is beside the same training in PyTorch: `cargo bench -p veilsum-client --bench training`.
//! `VEILSUM_RUNS` says how often each is run, `VEILSUM_THREADS` with how many threads, `VEILSUM_MODELS=wide` which alone.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use veilsum_client::data::{EncodedData, RowValues};
use veilsum_client::train::{DeviceChoice, Runtime, TrainingJob, train};
use veilsum_protocol::model::initialise::initialise;
use veilsum_protocol::model::{InputShape, ModelSpec, Target};
use veilsum_protocol::task::Task;

/// Set in the process that trains with the product's loop, as the peer has a process of its own too.
const MEASURED: &str = "VEILSUM_BENCH_MEASURED";

/// One training, the same for both.
#[derive(Clone, Serialize, Deserialize)]
struct Spec {
    name: String,
    family: String,
    /// Of a row: `[width]`, `[steps, width]` or `[channels, height, width]`.
    shape: Vec<usize>,
    outputs: u16,
    hidden: Vec<u32>,
    rows: usize,
    batch_size: usize,
    epochs: u32,
    learning_rate: f64,
    threads: u16,
}

impl Spec {
    fn model(&self) -> ModelSpec {
        let text = match &*self.family {
            "mlp" => format!("family = \"mlp\"\nhidden = {:?}", self.hidden),
            "gru" => format!("family = \"gru\"\nunits = {}", self.hidden[0]),
            family => format!("family = \"{family}\""),
        };
        ModelSpec::read(&text).unwrap()
    }

    fn input_shape(&self) -> InputShape {
        match self.shape[..] {
            [steps, width] => InputShape::Sequence { steps, width },
            [channels, height, width] => InputShape::Image {
                channels,
                height,
                width,
            },
            _ => InputShape::numbers(self.shape[0]),
        }
    }

    fn target(&self) -> Target {
        match self.outputs {
            1 => Target::Binary,
            classes => Target::Classes(classes),
        }
    }

    fn parameters(&self) -> Vec<f32> {
        initialise(&self.model().manifest(&self.input_shape(), self.target()), 1)
    }
}

fn specs(threads: u16) -> Vec<Spec> {
    let spec = |name: &str, family: &str, shape: &[usize], hidden: &[u32], rows, batch_size, epochs| Spec {
        name: name.to_owned(),
        family: family.to_owned(),
        shape: shape.to_vec(),
        outputs: if family == "cnn" { 10 } else { 1 },
        hidden: hidden.to_vec(),
        rows,
        batch_size,
        epochs,
        learning_rate: if name == "a wide MLP" { 1e-4 } else { 1e-3 },
        threads,
    };
    vec![
        spec("the demo's MLP", "mlp", &[22], &[32, 16], 20_000, 64, 4),
        spec("a wide MLP", "mlp", &[200], &[1024, 768], 4_000, 64, 2),
        spec("a wide MLP", "mlp", &[200], &[1024, 768], 10_000, 256, 2),
        spec("the classic CNN", "cnn", &[1, 28, 28], &[], 2_000, 32, 1),
        spec(
            "a GRU over 32 steps of 16 numbers",
            "gru",
            &[32, 16],
            &[64],
            4_000,
            64,
            1,
        ),
    ]
}

fn main() {
    if let Ok(folder) = std::env::var(MEASURED) {
        return measured(Path::new(&folder));
    }
    let number = |name: &str, default: &str| -> Vec<u16> {
        let list = std::env::var(name).unwrap_or(default.to_owned());
        list.split(',').map(|number| number.parse().unwrap()).collect()
    };
    let runs = number("VEILSUM_RUNS", "7")[0];
    let models = std::env::var("VEILSUM_MODELS").unwrap_or_default();
    let python = python();
    println!("| what | found | peer: PyTorch | ratio |\n| --- | --- | --- | --- |");
    for threads in number("VEILSUM_THREADS", "1,2") {
        for spec in specs(threads).iter().filter(|spec| spec.name.contains(&models)) {
            compare(spec, runs, &python);
        }
    }
}

/// The interpreter of the environment with PyTorch, which is made if it is not there.
fn python() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/setup-python");
    let output = Command::new(script)
        .arg("bench")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "scripts/setup-python bench failed");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn compare(spec: &Spec, runs: u16, python: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let parameters = write(spec, folder.path());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/training.py");
    let peer = |adam: &str| {
        let mut command = Command::new(python);
        command.arg(&script).arg(folder.path()).arg(adam);
        Trainer::start(command)
    };
    let mut own = Command::new(std::env::current_exe().unwrap());
    own.env(MEASURED, folder.path());
    let (mut own, mut peers) = (Trainer::start(own), [peer("for-loop"), peer("fused")]);
    let mut found = Vec::new();
    let mut theirs = [Vec::new(), Vec::new()];
    // In turn, so that whatever else the machine does hits all alike.
    for _ in 0..runs {
        let (seconds, loss) = own.run();
        found.push(seconds);
        for (peer, theirs) in peers.iter_mut().zip(&mut theirs) {
            let (seconds, their_loss) = peer.run();
            theirs.push(seconds);
            // They differ by the order of the rows alone.
            assert!(
                (loss / their_loss - 1.0).abs() < 0.1,
                "loss {loss}, PyTorch's {their_loss}"
            );
        }
    }
    for (adam, theirs) in ["Adam's default", "Adam fused"].iter().zip(theirs) {
        let ratios = found.iter().zip(&theirs).map(|(found, theirs)| found / theirs);
        let steps = spec.rows.div_ceil(spec.batch_size) * spec.epochs as usize;
        println!(
            "| {}, {parameters} parameters, batches of {}, {}: {steps} steps | {} | {adam}: {} | {} |",
            spec.name,
            spec.batch_size,
            if spec.threads == 1 {
                "1 thread".to_owned()
            } else {
                format!("{} threads", spec.threads)
            },
            Spread::of(found.iter().map(|seconds| seconds * 1e3)).told(1, " ms"),
            Spread::of(theirs.iter().map(|seconds| seconds * 1e3)).told(1, " ms"),
            Spread::of(ratios).told(2, ""),
        );
    }
}

/// Median, least and most.
struct Spread([f64; 3]);

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self([values[values.len() / 2], values[0], values[values.len() - 1]])
    }

    fn told(&self, digits: usize, unit: &str) -> String {
        let [median, least, most] = self.0;
        format!("{median:.digits$}{unit} ({least:.digits$} to {most:.digits$})")
    }
}

/// A process that has warmed up and trains when it is told to.
struct Trainer {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Trainer {
    fn start(mut command: Command) -> Self {
        let mut process = command
            .env_remove("OMP_NUM_THREADS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut trainer = Self {
            orders: process.stdin.take(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        };
        assert!(trainer.answer().starts_with("ready"));
        trainer
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line
    }

    /// Seconds, and the mean loss of the last epoch.
    fn run(&mut self) -> (f64, f64) {
        writeln!(self.orders.as_mut().unwrap(), "go").unwrap();
        let answer = self.answer();
        let (seconds, loss) = answer.trim().split_once(' ').unwrap();
        (seconds.parse().unwrap(), loss.parse().unwrap())
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        // The end of its input ends it.
        self.orders = None;
        let _ = self.process.wait();
    }
}

/// The task whose training it is; model and rows are the spec's.
fn task(spec: &Spec) -> Task {
    Task::parse(&format!(
        "name = \"t\"\nrounds = 1\nseed = 1\n[schema]\nversion = 1\nlabel = \"y\"\n\
         column = [{{ name = \"x\", type = \"number\", min = 0, max = 1 }}]\n\
         [model]\nfamily = \"logistic\"\n[training]\noptimiser = \"adam\"\nlearning_rate = {}\n\
         batch_size = {}\nlocal_epochs = {}\n",
        spec.learning_rate, spec.batch_size, spec.epochs
    ))
    .unwrap()
}

/// Inputs uniform over `[-1, 1]`. A label of two is likelier 1, the larger the sum of the first ten; one of several is which of
/// the first numbers is the largest.
fn table(spec: &Spec) -> EncodedData {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 * 2.0 - 1.0
    };
    let shape = spec.input_shape();
    let width = shape.width();
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..spec.rows {
        let row: Vec<f32> = (0..width).map(|_| uniform()).collect();
        let label = match spec.outputs {
            1 => u8::from(row.iter().take(10).sum::<f32>() + uniform() > 0.0),
            classes => {
                let first = (0..).zip(&row).take(usize::from(classes));
                first.max_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap().0
            }
        };
        labels.push(f32::from(label));
        inputs.extend(row);
    }
    EncodedData {
        inputs: inputs.into(),
        shape,
        target: spec.target(),
        labels: labels.into(),
    }
}

/// What both read; gives the number of parameters.
fn write(spec: &Spec, folder: &Path) -> usize {
    let data = table(spec);
    let parameters = spec.parameters();
    let labels = &data.labels;
    let put = |name: &str, values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        fs::write(folder.join(name), bytes).unwrap();
    };
    let RowValues::Numbers(inputs) = &data.inputs else {
        panic!("the tables here are of numbers");
    };
    put("inputs.f32", inputs);
    put("labels.f32", labels);
    put("parameters.f32", &parameters);
    fs::write(folder.join("spec.json"), serde_json::to_vec(spec).unwrap()).unwrap();
    parameters.len()
}

/// The peer's counterpart. The thread is one of its own, as in the daemon.
fn measured(folder: &Path) {
    let spec: Spec = serde_json::from_slice(&fs::read(folder.join("spec.json")).unwrap()).unwrap();
    let labour = move || {
        let runtime = Runtime::start(DeviceChoice::Cpu, spec.threads).unwrap();
        let (task, data) = (task(&spec), table(&spec));
        let rows: Vec<u32> = (0_u32..).take(spec.rows).collect();
        let (model, parameters) = (spec.model(), spec.parameters());
        let job = TrainingJob {
            model: &model,
            training: &task.training,
            learning_rate: task.training.learning_rate,
            data: &data,
            rows: &rows,
            parameters: &parameters,
            seed: 1,
            shuffled: true,
            runtime,
        };
        train(&job, &mut |_| ()).unwrap();
        println!("ready");
        for _ in std::io::stdin().lines() {
            let began = Instant::now();
            let trained = train(&job, &mut |_| ()).unwrap();
            println!("{} {}", began.elapsed().as_secs_f64(), trained.mean_loss);
        }
    };
    thread::Builder::new()
        .name("training".to_owned())
        .spawn(labour)
        .unwrap()
        .join()
        .unwrap();
}
