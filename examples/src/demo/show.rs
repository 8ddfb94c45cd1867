//! The demo from its start to the verdict.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use veilsum_client::data::HoldOut;
use veilsum_client::model::Snapshot;
use veilsum_client::train::{DeviceChoice, Runtime};
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_protocol::model::Vocabularies;
use veilsum_protocol::model::plan::Plan as Steps;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::task::EarlyStopping;

use super::comparison::archived_state;
use super::consortium::{Consortium, Member, Setup};
use super::deal::{self, Deal};
use super::history::{History, RoundEnd, RoundStory};
use super::known::{self, Known};
use super::outage::Outage;
use super::supply::{self, Change, Supply};
use super::trial::{self, Plan, TestFold};
use super::verdict::{self, Played};
use super::{DemoError, Keeper, Narrator, Programs, folder};
use crate::example::Example;
use crate::files::TableFiles;
use crate::loans;
use crate::score::{in_words, main_figure};
use crate::table::grouped;

/// Lies in every folder that a demo made, so that no other folder is ever replaced.
const MARKER: &str = ".veilsum-demo";

/// Between two looks at the consortium. A phase can be over in some tens of milliseconds.
const PAUSE: Duration = Duration::from_millis(10);

/// With nothing new in the log for so long, something is wrong.
const STALL: Duration = Duration::from_secs(240);

/// A bank that is killed needs this many others.
const BANKS_FOR_AN_OUTAGE: usize = 4;

/// Rounds of training that leave time to be killed and to come back.
const ROUNDS_FOR_AN_OUTAGE: u32 = 10;

/// What is played.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder.
    pub dir: PathBuf,
    /// Which made-up data.
    pub example: Example,
    /// A table to deal out, in place of made-up data.
    pub data: Option<PathBuf>,
    /// The labels of images in `data`.
    pub labels: Option<PathBuf>,
    /// The test fold, in place of rows of `data`.
    pub test: Option<PathBuf>,
    /// The labels of images in `test`.
    pub test_labels: Option<PathBuf>,
    /// The task.
    pub task: Option<PathBuf>,
    /// The schema, in place of the task's.
    pub schema: Option<PathBuf>,
    /// Which row goes where.
    pub split: Option<PathBuf>,
    /// The column of the split.
    pub partition: Option<String>,
    /// Rounds of training, in place of the task's.
    pub rounds: Option<u32>,
    /// Of everything that is drawn.
    pub seed: u64,
    /// Whether the unmasked federation is trained too.
    pub compare_unmasked: bool,
    /// Whether the models to compare with are left out.
    pub federated_only: bool,
    /// Whether only the unmasked federation is trained, in this process.
    pub trial: bool,
}

/// Plays the demo. True if everything holds that it promises; what does not is told.
///
/// # Errors
/// What kept it from its end.
pub fn play(options: &Options) -> Result<bool, DemoError> {
    let mut narrator = Narrator::new();
    if options.trial {
        folder::make_anew(&options.dir, MARKER)?;
        return rehearse(&prepare(options, &narrator)?, options, &narrator).map(|()| true);
    }
    let programs = Programs::beside_this_one()?;
    let keeper = Keeper::default();
    keeper.kill_all_when_interrupted()?;
    folder::make_anew(&options.dir, MARKER)?;

    let supply = prepare(options, &narrator)?;
    let consortium = assemble(options, &supply, programs, keeper, &narrator)?;
    let set_up = narrator.elapsed();

    let (history, outage) = follow(&consortium, &supply, &mut narrator)?;
    let state = last_state(&consortium, &history)?;
    let known = Known::in_state(&state);
    let known = known.ok_or_else(|| DemoError::Trial("the last state has no moments".to_owned()))?;
    let models = federated_models(&consortium, &supply, &state)?;
    let rounds = narrator.elapsed();
    consortium.stop();

    let runtime = Runtime::start(DeviceChoice::Cpu, 1).map_err(DemoError::trial)?;
    let played = Played {
        consortium: &consortium,
        supply: &supply,
        history,
        outage,
        models,
        state,
        known,
        set_up,
        rounds: rounds - set_up,
        runtime,
    };
    verdict::reach(&played, options, &narrator)
}

fn prepare(options: &Options, narrator: &Narrator) -> Result<Supply, DemoError> {
    let read = |path: &PathBuf| fs::read_to_string(path).map_err(DemoError::file(path));
    let schema = options.schema.as_ref().map(read).transpose()?;
    let change = Change {
        rounds: options.rounds,
        schema: schema.as_deref(),
    };
    let folder = options.dir.join("tables");
    fs::create_dir_all(&folder).map_err(DemoError::file(&folder))?;
    let Some(table) = &options.data else {
        narrator.say(options.example.story());
        for bank in options.example.banks() {
            narrator.say(&format!("  {}: {}", bank.name, bank.about));
        }
        let text = options.task.as_ref().map(read).transpose()?;
        let other = text.as_deref().zip(options.task.as_deref());
        return supply::made_up(&folder, options.example, other, options.seed, change);
    };
    if options.task.is_none() && schema.is_none() {
        let problem = "--data: the columns of the table are not known; add --task or --schema";
        return Err(DemoError::Usage(problem.to_owned()));
    }
    let deal = Deal {
        table: TableFiles {
            rows: table.clone(),
            labels: options.labels.clone(),
        },
        test: options.test.clone().map(|rows| TableFiles {
            rows,
            labels: options.test_labels.clone(),
        }),
        split: options.split.clone(),
        partition: options.partition.clone().unwrap_or_default(),
    };
    let text = options.task.as_ref().map(read).transpose()?;
    let origin = options.task.as_deref().unwrap_or(Path::new("the loan task"));
    let supply = deal::deal(
        &folder,
        &deal,
        (text.as_deref().unwrap_or(loans::TASK), origin),
        options.seed,
        change,
    )?;
    narrator.say(&format!(
        "{} is dealt out to {} banks{}",
        table.display(),
        supply.banks.len(),
        options
            .partition
            .as_ref()
            .map(|column| format!(" by {column}"))
            .unwrap_or_default()
    ));
    Ok(supply)
}

/// Trains the federation without masks in this process, and tells each round's figures: for who looks for a task's settings.
fn rehearse(supply: &Supply, options: &Options, narrator: &Narrator) -> Result<(), DemoError> {
    let task = &supply.task;
    let runtime = Runtime::start(DeviceChoice::Cpu, 1).map_err(DemoError::trial)?;
    // Any salt: the banks' own would hold out other rows, as many.
    let hold_out = HoldOut::of([7; 32], &task.evaluation.split);
    let read_all = |found: Option<&Vocabularies>| {
        let read = |bank: &Member| {
            let files = TableFiles {
                rows: bank.table.clone(),
                labels: bank.labels.clone(),
            };
            trial::read_rows(task, &files, &hold_out, found)
        };
        supply.banks.iter().map(read).collect::<Result<Vec<_>, _>>()
    };
    let unread = read_all(None)?;
    let found = known::found(task, &unread)?;
    let banks = match &found {
        None => unread,
        Some(found) => read_all(Some(found))?,
    };
    let test = TestFold::read(task, &supply.test, found.as_ref())?;
    narrator.head(&format!(
        "Without masks, in this process, judged on {} rows:",
        grouped(test.len())
    ));
    let plan = Plan {
        task,
        test: &test,
        seed: options.seed,
        runtime,
        told: &|round, score| {
            let figures = score
                .figures
                .map(|(figure, value)| format!("{} {value:.4}", in_words(figure)));
            let seconds = narrator.elapsed().as_secs_f64();
            narrator.say(&format!(
                "  round {round:>2}  {}  ({seconds:.0} s)",
                figures.join(", ")
            ));
        },
    };
    trial::each_for_itself(plan, &banks.iter().collect::<Vec<_>>()).map(drop)
}

fn assemble(
    options: &Options,
    supply: &Supply,
    programs: Programs,
    keeper: Keeper,
    narrator: &Narrator,
) -> Result<Consortium, DemoError> {
    narrator
        .head("Every bank makes its own keys; the coordinator enrols them and gets to see public ones only:");
    narrator.command(&format!("cd {}", options.dir.display()));
    let setup = Setup {
        dir: options.dir.clone(),
        name: format!("demo.veilsum.example/{}", options.example.name()),
        banks: supply.banks.clone(),
        schema: supply.schema.clone(),
        reconnect_grace_s: 2,
        idle_s: 5,
    };
    let teller = narrator.clone();
    let consortium = Consortium::enrol(
        setup,
        programs,
        keeper,
        Box::new(move |line| teller.command(line)),
    )?;
    let task = options.dir.join("task.toml");
    fs::write(&task, &supply.text).map_err(DemoError::file(&task))?;

    narrator.head("Coordinator and banks start, each as a process of its own (traces in logs/):");
    consortium.start_coordinator()?;
    for bank in &supply.banks {
        consortium.start_bank(&bank.name)?;
    }
    let all_here = |status: &veilsum_coordinator::engine::status::Status| {
        status.epoch.is_some() && status.banks.iter().all(|bank| bank.connected)
    };
    consortium.wait_for("all banks to agree on keys", Duration::from_secs(120), all_here)?;
    narrator.head("The coordinator offers the task; each bank's operator reads and approves it:");
    let hash = consortium.create_task("task.toml")?;
    consortium.approve_everywhere(&supply.task.name, &hash, Duration::from_secs(60))?;
    Ok(consortium)
}

/// Watches the rounds to the end of the task.
fn follow(
    consortium: &Consortium,
    supply: &Supply,
    narrator: &mut Narrator,
) -> Result<(History, Option<Outage>), DemoError> {
    let rounds = supply.task.rounds;
    narrator.head(&format!("{rounds} rounds of training under masks:"));
    let mut outage = weakest(consortium, supply).map(|bank| Outage::new(bank, sure_rounds(supply) / 3));
    let mut history = History::default();
    let mut told = 0;
    let mut last_news = Instant::now();
    narrator.begin(Steps::new(&supply.task).steps());
    loop {
        let status = consortium.status()?;
        // While the coordinator writes, a look may come at a bad moment; the log is read to its end again below.
        if history
            .follow(&consortium.log_folder(), consortium.log_key())
            .unwrap_or(false)
        {
            last_news = Instant::now();
        }
        tell_new(&history, &mut told, supply, narrator);
        if let Some(status) = status {
            if let Some(outage) = &mut outage
                && let Some(news) = outage.look(consortium, &status, &history)?
            {
                narrator.say(&format!("  !  {news}"));
            }
            let task = status.tasks.first();
            narrator.progress(task.map_or(0, |task| task.step), &status.waiting_for);
            match task.map(|task| &task.status) {
                Some(TaskStatus::Finished) if status.round.is_none() => break,
                Some(TaskStatus::Stopped(why)) => {
                    return Err(DemoError::Trial(format!(
                        "the coordinator stopped the task: {why}"
                    )));
                }
                _ => {}
            }
            if last_news.elapsed() > STALL {
                let what = "something new in the log".to_owned();
                return Err(DemoError::TooLong {
                    what,
                    seconds: STALL.as_secs(),
                    said: status.waiting_for,
                });
            }
        }
        thread::sleep(PAUSE);
    }
    narrator.end();
    // The last entries are published when enough banks have cosigned the head over them.
    let deadline = Instant::now() + STALL;
    loop {
        history.follow(&consortium.log_folder(), consortium.log_key())?;
        let size = consortium.status()?.map(|status| status.log_size);
        if size.is_some_and(|size| history.size() >= size) {
            break;
        }
        if Instant::now() > deadline {
            return Err(DemoError::TooLong {
                what: "the banks' cosignatures under the last entries of the log".to_owned(),
                seconds: STALL.as_secs(),
                said: format!("{size:?} entries, {} of them published", history.size()),
            });
        }
        thread::sleep(PAUSE);
    }
    tell_new(&history, &mut told, supply, narrator);
    Ok((history, outage))
}

/// Rounds that have ended since the last call, in order.
fn tell_new(history: &History, told: &mut u64, supply: &Supply, narrator: &Narrator) {
    let last = *told;
    for story in history
        .rounds()
        .filter(|story| story.round > last && story.end.is_some())
    {
        *told = story.round;
        narrator.say(&line(story, supply));
    }
}

/// The bank with the smallest table is ready first, so there is a moment between its promise and its upload. None if too
/// few others would be left, or too few rounds.
fn weakest(consortium: &Consortium, supply: &Supply) -> Option<String> {
    if supply.banks.len() < BANKS_FOR_AN_OUTAGE || sure_rounds(supply) < ROUNDS_FOR_AN_OUTAGE {
        return None;
    }
    let size = |bank: &&Member| {
        let (rows, _) = bank.files_in(&consortium.bank_folder(&bank.name));
        fs::metadata(rows).map_or(u64::MAX, |meta| meta.len())
    };
    supply.banks.iter().min_by_key(size).map(|bank| bank.name.clone())
}

/// Rounds of training that there are however early the task stops.
fn sure_rounds(supply: &Supply) -> u32 {
    let task = &supply.task;
    let least = |rules: &EarlyStopping| rules.patience.saturating_add(1);
    task.early_stopping
        .as_ref()
        .map_or(task.rounds, |rules| task.rounds.min(least(rules)))
}

fn line(story: &RoundStory, supply: &Supply) -> String {
    let (all, rounds) = (supply.banks.len(), supply.task.rounds);
    let what = match story.kind {
        RoundKind::Support | RoundKind::Vocabulary => {
            format!("{}: values that enough banks have", story.kind.name())
        }
        RoundKind::Statistics => "statistics: sums of every column".to_owned(),
        RoundKind::Train => {
            let before = Steps::new(&supply.task).train_round(story.step);
            format!("training {:>2} of {rounds}", before + 1)
        }
        RoundKind::Evaluate => "evaluation of the last model".to_owned(),
    };
    let taking_part = story.survivors.as_ref().map_or(0, Vec::len);
    let lost = story.lost();
    let who = match (taking_part, lost.is_empty()) {
        (count, true) if count == all => format!("all {all} banks"),
        (count, true) => format!("{count} of {all} banks"),
        (count, false) => format!("{count} of {all} banks, {} was lost on the way", lost.join(", ")),
    };
    let outcome = match &story.end {
        Some(RoundEnd::Published {
            metrics: Some(metrics),
            ..
        }) => {
            let figure = main_figure(supply.task.target());
            let value = metrics
                .figure(figure)
                .map_or("–".to_owned(), |value| format!("{value:.4}"));
            format!("; the model before it: {} {value}", in_words(figure))
        }
        Some(RoundEnd::Aborted(reason)) => format!("; no result: {}", reason.words()),
        _ => String::new(),
    };
    format!("  round {:>2}  {what:<18}  {who}{outcome}", story.round)
}

/// Where the task stands at its end.
fn last_state(consortium: &Consortium, history: &History) -> Result<TaskState, DemoError> {
    let hash = history.last_state();
    let hash = hash.ok_or_else(|| DemoError::Trial("no round has a result".to_owned()))?;
    archived_state(&consortium.archive(), &hash)
}

/// The model that every bank holds at the end, as a file of its own; of a task whose banks keep parameters to themselves, every bank's.
fn federated_models(
    consortium: &Consortium,
    supply: &Supply,
    state: &TaskState,
) -> Result<Vec<Snapshot>, DemoError> {
    let task = &supply.task;
    let version = u64::from(state.trained(&Steps::new(task)));
    let common = task.shared().is_all();
    let mut models: Vec<Snapshot> = Vec::new();
    for bank in &supply.banks {
        let path = consortium
            .bank_folder(&bank.name)
            .join("models")
            .join(&task.name)
            .join("model.safetensors");
        let whole = |bytes: Vec<u8>| {
            Snapshot::from_bytes(&bytes, task)
                .ok()
                .filter(|model| model.version == version && (!common || model.parameters == state.parameters))
        };
        let what = format!("the last model to lie at {}", bank.name);
        consortium.wait_for(&what, Duration::from_secs(30), |_| {
            fs::read(&path).ok().and_then(whole).is_some()
        })?;
        let bytes = fs::read(&path).map_err(DemoError::file(&path))?;
        let model = Snapshot::from_bytes(&bytes, task).map_err(|error| DemoError::content(&path, error))?;
        match models.first() {
            Some(known) if common && *known != model => {
                let first = supply.banks.first().map_or("", |bank| bank.name.as_str());
                return Err(DemoError::content(
                    &path,
                    format!("another model than at {first}, expected the same"),
                ));
            }
            Some(_) if common => {}
            _ => models.push(model),
        }
    }
    Ok(models)
}
