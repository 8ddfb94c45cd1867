//! A consortium as large as a country's banks, on one machine: what the coordinator needs when many real processes upload large updates
//! and drop out all the time.
//!
//! * [`play`] runs rounds with a storm of kills and reports against the limits.
//! * [`idle`] holds connections that do nothing.

pub mod gauge;
pub mod idle;
mod report;
mod storm;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::task::Task;

use crate::demo::consortium::{COORDINATOR, Consortium, Member, Setup};
use crate::demo::history::{History, RoundEnd, RoundStory};
use crate::demo::{DemoError, Keeper, Narrator, Programs, folder};

pub use report::Report;
use storm::Storm;

/// Lies in every folder that this made, so that no other folder is ever replaced.
const MARKER: &str = ".veilsum-load";

/// Between two looks at the consortium.
const PAUSE: Duration = Duration::from_millis(10);

/// With nothing new in the log for so long, something is wrong.
const STALL: Duration = Duration::from_secs(600);

/// Rows of each bank: training is not what is measured.
const ROWS: usize = 40;

/// Largest width of a hidden layer.
const WIDEST: u64 = 4096;

/// What is played.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder; what an earlier run left there is replaced.
    pub dir: PathBuf,
    /// Banks, each a process of its own.
    pub banks: u16,
    /// Parameters of the model, about.
    pub parameters: u64,
    /// Rounds of training.
    pub rounds: u32,
    /// Of the banks that take part, how many are killed in every phase, in percent.
    pub drop_percent: usize,
    /// Of everything that is drawn.
    pub seed: u64,
}

const SCHEMA: &str =
    "version = 1\nlabel = \"late\"\n[[column]]\nname = \"income\"\ntype = \"number\"\nmin = 0\nmax = 1000\n";

/// A task whose model has about so many parameters: one input, two hidden layers of the same width, one output.
pub(crate) fn task(parameters: u64, rounds: u32) -> Result<(String, Task), DemoError> {
    // d = h^2 + 4h + 1
    let width = (parameters.saturating_add(3).isqrt())
        .saturating_sub(2)
        .clamp(1, WIDEST);
    let text = format!(
        "name = \"load\"\nrounds = {rounds}\nseed = 5\n[schema]\n{}[model]\nfamily = \"mlp\"\nhidden = [{width}, {width}]\n\
         [training]\noptimiser = \"sgd\"\nlearning_rate = 0.01\nbatch_size = 64\nlocal_epochs = 1\n\
         [encoding]\n[evaluation]\nbins = 16\n",
        SCHEMA.replace("[[column]]", "[[schema.column]]")
    );
    let task =
        Task::parse(&text).map_err(|error| DemoError::Usage(format!("the task of this load: {error}")))?;
    Ok((text, task))
}

/// Runs it. The report says whether the limits hold.
///
/// # Errors
/// What kept it from its end.
pub fn play(options: &Options) -> Result<Report, DemoError> {
    let mut narrator = Narrator::new();
    let (text, task) = task(options.parameters, options.rounds)?;
    let programs = Programs::beside_this_one()?;
    let keeper = Keeper::default();
    keeper.kill_all_when_interrupted()?;
    folder::make_anew(&options.dir, MARKER)?;
    let lanes = Plan::new(&task).layout(RoundKind::Train).lanes();
    narrator.say(&format!(
        "{} banks as processes of their own, {lanes} digits in an update, {} rounds, {} % of the banks are killed in every phase",
        options.banks, options.rounds, options.drop_percent
    ));
    let consortium = assemble(&options.dir, options.banks, programs, keeper, &narrator)?;
    start_banks(&consortium, &narrator)?;
    let file = options.dir.join("task.toml");
    fs::write(&file, &text).map_err(DemoError::file(&file))?;
    let hash = consortium.create_task("task.toml")?;
    consortium.approve_everywhere(&task.name, &hash, Duration::from_secs(300))?;
    narrator.say(&format!("set up in {:.0} s", narrator.elapsed().as_secs_f64()));

    let mut report = Report::new(options, lanes);
    follow(options, &consortium, &mut narrator, &mut report)?;
    consortium.stop();
    narrator.say("the auditor adds every masked sum again:");
    let begun = Instant::now();
    let verdict = consortium.verify()?;
    report.verified(verdict, begun.elapsed());
    Ok(report)
}

/// Everybody is enrolled, and the coordinator runs.
fn assemble(
    dir: &Path,
    banks: u16,
    programs: Programs,
    keeper: Keeper,
    narrator: &Narrator,
) -> Result<Consortium, DemoError> {
    let consortium = enrol(dir, banks, programs, keeper, narrator)?;
    consortium.start_coordinator()?;
    Ok(consortium)
}

/// Everybody is enrolled, and nothing runs.
pub(crate) fn enrol(
    dir: &Path,
    banks: u16,
    programs: Programs,
    keeper: Keeper,
    narrator: &Narrator,
) -> Result<Consortium, DemoError> {
    let tables = dir.join("tables");
    fs::create_dir_all(&tables).map_err(DemoError::file(&tables))?;
    let member = |position: u16| {
        let name = format!("bank-{position}");
        let table = tables.join(format!("{name}.csv"));
        let rows = (0..ROWS).map(|row| {
            let income = (row * 37 + usize::from(position) * 11) % 1000;
            format!("{income},{}\n", u32::from(income < 300))
        });
        let text: String = std::iter::once("income,late\n".to_owned()).chain(rows).collect();
        fs::write(&table, text).map_err(DemoError::file(&table))?;
        Ok(Member {
            name,
            table,
            labels: None,
        })
    };
    let setup = Setup {
        dir: dir.to_owned(),
        name: "load.veilsum.example".to_owned(),
        banks: (1..=banks).map(member).collect::<Result<_, DemoError>>()?,
        schema: SCHEMA.to_owned(),
        reconnect_grace_s: 2,
        idle_s: 5,
    };
    narrator.say("every bank makes its keys and is enrolled");
    Consortium::enrol(setup, programs, keeper, Box::new(|_| ()))
}

pub(crate) fn start_banks(consortium: &Consortium, narrator: &Narrator) -> Result<(), DemoError> {
    for bank in &consortium.setup().banks {
        consortium.start_bank(&bank.name)?;
    }
    let all_here = |status: &Status| status.epoch.is_some() && status.banks.iter().all(|bank| bank.connected);
    narrator.say("every bank connects, and all agree on keys");
    consortium
        .wait_for("all banks to agree on keys", Duration::from_secs(600), all_here)
        .map(drop)
}

fn follow(
    options: &Options,
    consortium: &Consortium,
    narrator: &mut Narrator,
    report: &mut Report,
) -> Result<(), DemoError> {
    let mut storm = Storm::new(options.drop_percent, options.seed);
    let mut history = History::default();
    let mut told = 0;
    let mut last_news = Instant::now();
    let coordinator = consortium
        .pid(COORDINATOR)
        .ok_or_else(|| DemoError::Usage("the coordinator is not running".to_owned()))?;
    let cpu = gauge::cpu(coordinator)?;
    let begun = Instant::now();
    narrator.begin(options.rounds + 2);
    loop {
        let Some(status) = consortium.status()? else {
            thread::sleep(PAUSE);
            continue;
        };
        storm.look(consortium, &status)?;
        let (tcp, udp) = gauge::sockets()?;
        report.saw(gauge::peak_memory(coordinator)?, tcp + udp);
        // While the coordinator writes, a look may come at a bad moment; the log is read to its end again below.
        if history
            .follow(&consortium.log_folder(), consortium.log_key())
            .unwrap_or(false)
        {
            last_news = Instant::now();
            tell_new(&history, &mut told, options, narrator, report);
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
            return Err(DemoError::TooLong {
                what: "something new in the log".to_owned(),
                seconds: STALL.as_secs(),
                said: status.waiting_for,
            });
        }
        thread::sleep(PAUSE);
    }
    narrator.end();
    report.took(
        begun.elapsed(),
        gauge::cpu(coordinator)?.saturating_sub(cpu),
        storm.kills(),
    );
    history.follow(&consortium.log_folder(), consortium.log_key())?;
    tell_new(&history, &mut told, options, narrator, report);
    Ok(())
}

/// Rounds that have ended since the last call, in order.
fn tell_new(history: &History, told: &mut u64, options: &Options, narrator: &Narrator, report: &mut Report) {
    let last = *told;
    for story in history
        .rounds()
        .filter(|story| story.round > last && story.end.is_some())
    {
        *told = story.round;
        report.ended(story);
        narrator.say(&line(story, options.banks));
    }
}

fn line(story: &RoundStory, banks: u16) -> String {
    let outcome = match &story.end {
        Some(RoundEnd::Published { .. }) => format!(
            "published, {} of {banks} banks in the sum, {} lost on the way",
            story.survivors.as_ref().map_or(0, Vec::len),
            story.lost().len()
        ),
        Some(RoundEnd::Aborted(reason)) => format!("no result: {}", reason.words()),
        None => "open".to_owned(),
    };
    format!(
        "  round {:>3}  step {:>3}  {:>5.1} s  {outcome}",
        story.round, story.step, story.seconds
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_model_is_about_as_large_as_was_asked() {
        for parameters in [10_000, 1_000_000, 10_000_000] {
            let (_, task) = task(parameters, 1).unwrap();
            let found = Plan::new(&task).layout(RoundKind::Train).lanes() as f64;
            assert!(
                (0.9..=1.01).contains(&(found / parameters as f64)),
                "{parameters} {found}"
            );
        }
    }
}
