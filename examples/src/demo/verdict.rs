//! The end of the demo: models to compare with, the table, the page, and whether everything holds that was promised.

use std::fs;
use std::time::{Duration, Instant};

use veilsum_client::model::Snapshot;
use veilsum_client::train::Runtime;
use veilsum_protocol::model::Target;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::params::RoundKind;

use super::comparison::{Trials, UNMASKED_RUNS, bank_tables, federated_curve, rules, train_trials};
use super::consortium::{AUDIT_PAGE, Consortium, Verdict};
use super::history::History;
use super::known::Known;
use super::outage::Outage;
use super::show::Options;
use super::supply::Supply;
use super::trial::TestFold;
use super::{DemoError, Narrator, page, published, tamper, told};
use crate::report::{Check, Incident, Report, Role, TableRow};
use crate::score::{Score, calibration, in_words, judge, main_figure};
use crate::table::{grouped, results};

/// The masked federation may differ from the unmasked one by so much in the main figure, or as much as unmasked ones differ.
const UNMASKED_TOLERANCE: f64 = 0.001;

/// How far from a coin's 0.5 luck may lead the AUC of a model on data without anything to learn: some thousand rows of days that move together.
const LUCK: f64 = 0.05;

/// Points of the calibration curve.
const CALIBRATION_POINTS: usize = 10;

/// What was played, when the rounds are over.
pub(super) struct Played<'a> {
    pub(super) consortium: &'a Consortium,
    pub(super) supply: &'a Supply,
    pub(super) history: History,
    pub(super) outage: Option<Outage>,
    /// The model that every bank holds; every bank's, of a task whose banks keep parameters to themselves.
    pub(super) models: Vec<Snapshot>,
    /// Where the task stands at its end.
    pub(super) state: TaskState,
    /// What the rows of these models are encoded by.
    pub(super) known: Known,
    pub(super) set_up: Duration,
    pub(super) rounds: Duration,
    pub(super) runtime: Runtime,
}

/// True if everything holds.
pub(super) fn reach(played: &Played<'_>, options: &Options, narrator: &Narrator) -> Result<bool, DemoError> {
    let (task, runtime) = (&played.supply.task, played.runtime);
    narrator.head("The auditor reads the log and computes every masked sum again:");
    let begin = Instant::now();
    let verdict = played.consortium.verify()?;
    narrator.say(&format!("  {}", verdict.verdict));
    let audit = begin.elapsed();

    if !options.federated_only {
        narrator.head(
            "For comparison, the same trainer and passes in this process: each bank alone, and all rows pooled.",
        );
    }
    let begin = Instant::now();
    let found = played.state.vocabularies.as_ref();
    let banks = bank_tables(played, task, found)?;
    let test = TestFold::read(task, &played.supply.test, found)?;
    let trials = train_trials(played, &banks, &test, options)?;
    let data = test.encoded(task, &played.known)?;
    let predicted = played
        .models
        .iter()
        .map(|model| test.predict(task, &data, &model.parameters, runtime));
    let predicted = predicted.collect::<Result<Vec<_>, _>>()?;
    let scores = predicted
        .iter()
        .map(|(predictions, labels)| judge(task.target(), predictions, labels));
    let scores = scores.collect::<Result<Vec<_>, _>>().map_err(DemoError::trial)?;
    let no_bank = || DemoError::Trial("there is no bank".to_owned());
    let federated = Score::mean(&scores).ok_or_else(no_bank)?;
    let (predictions, labels) = predicted.into_iter().next().ok_or_else(no_bank)?;
    let rules = rules(played, &labels)?;
    let comparison = begin.elapsed();

    let curve = federated_curve(played, &test)?;
    let training_rows = banks.iter().map(|rows| rows.training_rows().count()).sum();
    let rows = result_rows(played, &trials, &rules, (&federated, training_rows));
    narrator.head(&format!(
        "Judged on {} rows that nobody trained on:",
        grouped(test.len())
    ));
    narrator.say(results(&with_mean_and_best(&rows, &trials)).trim_end());
    if !options.federated_only {
        tell_best_moments(played, &trials, &curve, narrator);
    }

    let checks = checks(played, &trials, &rules, &federated, &verdict);
    let report = Report {
        consortium: "Veilsum demo".to_owned(),
        task: task.name.clone(),
        notes: told::notes(played),
        facts: page::facts(
            task,
            banks.len(),
            training_rows,
            test.len(),
            played.rounds.as_secs_f64(),
        ),
        banks: played.supply.banks.iter().map(|bank| bank.name.clone()).collect(),
        rounds: played
            .history
            .rounds()
            .map(|story| page::round(story, of_round(&curve, story.round)))
            .collect(),
        measured: "on the common test fold".to_owned(),
        results: rows,
        judged: format!(
            "on {} rows of a common test fold that no bank trained on",
            grouped(test.len())
        ),
        calibration: match task.target() {
            Target::Binary if played.models.len() == 1 => {
                calibration(&predictions, &labels, CALIBRATION_POINTS).map_err(DemoError::trial)?
            }
            Target::Binary | Target::Classes(_) | Target::Number => Vec::new(),
        },
        columns: told::columns(played),
        published: published::pictures(played)?,
        incidents: played.outage.as_ref().map(incidents).unwrap_or_default(),
        checkpoint: played.history.checkpoint().to_owned(),
        checks: checks.clone(),
    };
    let path = options.dir.join("report.html");
    fs::write(&path, report.render().map_err(DemoError::trial)?).map_err(DemoError::file(&path))?;

    narrator.head("The log's checkpoint:");
    narrator.say(played.history.checkpoint().trim_end());
    narrator.head("What holds:");
    for check in &checks {
        narrator.say(&format!(
            "  {}  {}",
            if check.passed { "yes" } else { "NO " },
            check.text
        ));
    }
    let seconds = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
    narrator.say(&format!(
        "\nReport: {}\nThe auditor's: {}\nTime: set-up {}, rounds {}, audit {}, comparison {}; {} in all",
        path.display(),
        options.dir.join(AUDIT_PAGE).display(),
        seconds(played.set_up),
        seconds(played.rounds),
        seconds(audit),
        seconds(comparison),
        seconds(narrator.elapsed())
    ));
    tell_how_to_break(played, narrator)?;
    Ok(checks.iter().all(|check| check.passed))
}

/// What the reader may do to the log, and who will notice.
fn tell_how_to_break(played: &Played<'_>, narrator: &Narrator) -> Result<(), DemoError> {
    let consortium = played.consortium;
    let ways = tamper::ways(
        &consortium.log_folder(),
        &consortium.archive(),
        consortium.log_key(),
    )?;
    narrator.head("Break it, and see it caught. Change what the coordinator keeps:");
    for way in ways {
        narrator.say(&format!("  # {}\n  {}", way.what, way.command));
    }
    narrator.say(&format!(
        "and let the auditor look again; it names the check and the place:\n  {}",
        consortium.audit_command()
    ));
    Ok(())
}

fn of_round(curve: &[(u64, Score)], round: u64) -> Option<&Score> {
    curve
        .iter()
        .find(|(number, _)| *number == round)
        .map(|(_, score)| score)
}

fn result_rows(
    played: &Played<'_>,
    trials: &Trials,
    rules: &[(&'static str, Score)],
    (federated, training_rows): (&Score, usize),
) -> Vec<TableRow> {
    let banks = played.supply.banks.iter().zip(&trials.alone);
    let mut rows: Vec<TableRow> = banks
        .map(|(bank, trial)| page::row(&bank.name, Role::Alone, &trial.score, trial.training_rows))
        .collect();
    rows.extend(
        rules
            .iter()
            .map(|(name, score)| page::row(name, Role::Reference, score, 0)),
    );
    rows.extend(
        trials
            .rivals
            .iter()
            .map(|(name, trial)| page::row(name, Role::Reference, &trial.score, trial.training_rows)),
    );
    rows.extend(trials.pooled.iter().map(|pooled| {
        page::row(
            "all rows pooled",
            Role::Pooled,
            &pooled.score,
            pooled.training_rows,
        )
    }));
    let scores: Vec<Score> = trials.unmasked.iter().map(|trial| trial.score).collect();
    if let Some(mean) = Score::mean(&scores) {
        let name = format!("federated without masks, mean of {UNMASKED_RUNS}");
        rows.push(page::row(&name, Role::Reference, &mean, training_rows));
    }
    rows.push(page::row("federated", Role::Federated, federated, training_rows));
    rows
}

/// The rows for a terminal: behind the banks, what they reach on average and at best.
fn with_mean_and_best(rows: &[TableRow], trials: &Trials) -> Vec<TableRow> {
    let scores: Vec<Score> = trials.alone.iter().map(|trial| trial.score).collect();
    let mut shown = rows.to_vec();
    let best = Score::best(&scores).and_then(|best| trials.alone.iter().find(|trial| trial.score == *best));
    if let Some(best) = best {
        shown.insert(
            scores.len(),
            page::row("best bank", Role::Alone, &best.score, best.training_rows),
        );
    }
    if let Some(mean) = Score::mean(&scores) {
        let rows = trials
            .alone
            .iter()
            .map(|trial| trial.training_rows)
            .sum::<usize>()
            / scores.len();
        shown.insert(
            scores.len(),
            page::row("mean of the banks", Role::Alone, &mean, rows),
        );
    }
    shown
}

/// What a stop at the best moment would have given to each, for those who ask whether a bank was trained for too long.
fn tell_best_moments(played: &Played<'_>, trials: &Trials, curve: &[(u64, Score)], narrator: &Narrator) {
    let mut told: Vec<String> = played
        .supply
        .banks
        .iter()
        .zip(&trials.alone)
        .filter_map(|(bank, trial)| page::best_moment(&bank.name, trial))
        .collect();
    let pooled = trials.pooled.as_ref();
    told.extend(pooled.and_then(|pooled| page::best_moment("pooled", pooled)));
    let scores: Vec<Score> = curve.iter().map(|(_, score)| *score).collect();
    if let Some(best) = Score::best(&scores) {
        let round = scores
            .iter()
            .position(|score| score == best)
            .map_or(0, |at| at + 1);
        told.push(format!("federated {:.4} (round {round})", best.main().1));
    }
    let peaks: Vec<f64> = trials
        .alone
        .iter()
        .filter_map(|trial| trial.best())
        .map(|(_, value)| value)
        .collect();
    let mean = peaks.iter().sum::<f64>() / peaks.len().max(1) as f64;
    let figure = in_words(main_figure(played.supply.task.target()));
    narrator.say(&format!(
        "Stopped at their best moment on these very rows, which nobody could know, they would have had {figure}\n  {};\n  the banks alone {mean:.4} on average.",
        told.join(", ")
    ));
}

fn checks(
    played: &Played<'_>,
    trials: &Trials,
    rules: &[(&'static str, Score)],
    federated: &Score,
    verdict: &Verdict,
) -> Vec<Check> {
    let task = &played.supply.task;
    let check = |passed, text: String| Check { passed, text };
    let trained = played
        .history
        .rounds()
        .filter(|story| story.kind == RoundKind::Train && story.is_published())
        .count();
    let models = match played.models.len() {
        1 => "every bank holds the same model",
        _ => "every bank holds the common model with parameters of its own",
    };
    let (due, ended) = match played.state.stopping.as_ref().and_then(|stopping| stopping.end) {
        Some(end) if end.rounds < task.rounds || end.kept < end.rounds => (
            end.rounds,
            format!(
                " (the rule of the task ended them after round {} and kept the model behind round {})",
                end.rounds, end.kept
            ),
        ),
        _ => (task.rounds, String::new()),
    };
    let mut checks = vec![
        check(
            u32::try_from(trained) == Ok(due),
            format!(
                "{trained} of {} rounds of training were published{ended}, and {models}",
                task.rounds
            ),
        ),
        check(
            verdict.verifies && verdict.replayed.is_some_and(|sums| sums > 0),
            format!(
                "the log and the replay of every masked sum verify ({} entries, {} sums)",
                verdict.entries,
                verdict.replayed.unwrap_or(0)
            ),
        ),
    ];
    if let Some(outage) = &played.outage {
        let bank = outage.bank();
        let (passed, text) = match outage.rounds() {
            (Some(lost), Some(back)) => (
                true,
                format!(
                    "{bank} was killed in the middle of round {lost}, whose sum came out without it, and took part again from round {back}"
                ),
            ),
            (Some(lost), None) => (
                false,
                format!("{bank} was killed in round {lost} and did not take part again"),
            ),
            _ => (
                false,
                format!("{bank} was to be killed in the middle of a round, but no round lost its update"),
            ),
        };
        checks.push(check(passed, text));
    }
    checks.extend(worth(played, trials, rules, federated));
    checks
}

/// What the federated model has to be worth beside the others.
fn worth(
    played: &Played<'_>,
    trials: &Trials,
    rules: &[(&'static str, Score)],
    federated: &Score,
) -> Vec<Check> {
    let (figure, value) = federated.main();
    let name = in_words(figure);
    let better = |what: &str, other: &Score| Check {
        passed: federated.gain_over(other) > 0.0,
        text: format!("federated {name} {value:.4}, {what} {:.4}", other.main().1),
    };
    let mut checks = Vec::new();
    if played.supply.learnable {
        let alone: Vec<Score> = trials.alone.iter().map(|trial| trial.score).collect();
        let mean = Score::mean(&alone);
        checks.extend(mean.map(|mean| better("the mean of the banks alone", &mean)));
        let rivals = trials.rivals.iter().map(|(name, trial)| (*name, trial.score));
        checks.extend(
            rules
                .iter()
                .copied()
                .chain(rivals)
                .map(|(name, score)| better(name, &score)),
        );
    } else {
        checks.push(Check {
            passed: (value - 0.5).abs() <= LUCK,
            text: format!(
                "nothing can be learned here, and the federated model's {name} {value:.4} is that of a coin, 0.5, within {LUCK}"
            ),
        });
    }
    let unmasked: Vec<Score> = trials.unmasked.iter().map(|trial| trial.score).collect();
    if let Some(mean) = Score::mean(&unmasked) {
        let mean = mean.main().1;
        let difference = value - mean;
        // Runs differ by the order of the rows alone; a difference within theirs is not one of the masks.
        let values = || unmasked.iter().map(|score| score.main().1);
        let (least, most) = (
            values().fold(f64::INFINITY, f64::min),
            values().fold(f64::NEG_INFINITY, f64::max),
        );
        let tolerance = UNMASKED_TOLERANCE.max(most - least);
        let runs: Vec<String> = values().map(|value| format!("{value:.4}")).collect();
        let text = format!(
            "under masks {name} {value:.4}, without masks {mean:.4} (runs {}): difference {difference:+.4}, at most {tolerance:.4}",
            runs.join(", ")
        );
        checks.push(Check {
            passed: difference.abs() <= tolerance,
            text,
        });
    }
    checks
}

fn incidents(outage: &Outage) -> Vec<Incident> {
    let incident = |round, text: &str| Incident {
        round,
        bank: outage.bank().to_owned(),
        text: text.to_owned(),
    };
    let (lost, back) = outage.rounds();
    let lost = lost.map(|round| {
        incident(round, "was killed after it had joined the round; the others took out the masks that only its update would have cancelled, and the sum is theirs alone.")
    });
    let back = back.map(|round| {
        incident(
            round,
            "was back, had read what it missed from the log, and took part again.",
        )
    });
    lost.into_iter().chain(back).collect()
}
