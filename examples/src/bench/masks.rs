//! What masks cost in whole rounds: rounds of the programs as they are, in turns with rounds of programs that apply none.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::arithmetic;
use crate::demo::{DemoError, Keeper, Programs};

use super::{Options, Report, Way, play};

/// Compression leaves more than so much of uniform noise, and less of quantised parameters.
const NOISE: f64 = 0.95;

/// What is played, and how often.
#[derive(Clone, Debug)]
pub struct MasksOptions {
    /// The folder; what an earlier run left there is replaced.
    pub dir: PathBuf,
    /// Banks, each a process of its own.
    pub banks: u16,
    /// Parameters of the model, about.
    pub parameters: u64,
    /// Rounds of training of each turn.
    pub rounds: u32,
    /// Turns of both.
    pub turns: usize,
    /// By which way.
    pub way: Way,
}

/// A round's seconds on the clock and of the processors, training taken off, with masks and without.
#[derive(Clone, Copy, Debug)]
struct Turn {
    wall: [f64; 2],
    cpu: [f64; 2],
}

impl Turn {
    fn of(with: &Report, without: &Report) -> Result<Self, DemoError> {
        let wall = |report: &Report| {
            report.without_training().ok_or_else(|| {
                DemoError::Usage(
                    "--rounds: found no round with another one behind it, expected some".to_owned(),
                )
            })
        };
        Ok(Self {
            wall: [wall(with)?, wall(without)?],
            cpu: [with.cpu_without_training(), without.cpu_without_training()],
        })
    }
}

/// Plays both in turns, and gives lines of a Markdown table.
///
/// # Errors
/// What kept it from its end, also that the programs without masks are not built.
pub fn compare(options: &MasksOptions) -> Result<String, DemoError> {
    let keeper = Keeper::default();
    keeper.kill_all_when_interrupted()?;
    let masked = Programs::beside_this_one()?;
    let unmasked = masked.with_suffix("-unmasked").map_err(|error| match error {
        DemoError::NoProgram { path } => DemoError::Usage(format!(
            "{}: not found; scripts/bench-unmasked builds it and starts this program",
            path.display()
        )),
        other => other,
    })?;
    let turns = (0..options.turns.max(1))
        .map(|turn| {
            // In the other order every second time: what an earlier one leaves to the disk meets both.
            let (with, without) = if turn % 2 == 0 {
                let with = play_with(options, &masked, true, &keeper)?;
                (with, play_with(options, &unmasked, false, &keeper)?)
            } else {
                let without = play_with(options, &unmasked, false, &keeper)?;
                (play_with(options, &masked, true, &keeper)?, without)
            };
            Turn::of(&with, &without)
        })
        .collect::<Result<Vec<_>, DemoError>>()?;
    // Whatever in memory a round is made of that is not its vector: keys, shares, parcels, signatures, the log.
    let rest = arithmetic::small_round(options.banks);
    if let Some(turn) = turns.iter().find(|turn| turn.cpu[1] <= rest) {
        return Err(DemoError::Usage(format!(
            "a round without masks took {:.3} s of processor, and the machines alone take {rest:.3} s in memory: expected more, so take more parameters",
            turn.cpu[1]
        )));
    }
    Ok(table(options, &turns, rest))
}

fn play_with(
    options: &MasksOptions,
    programs: &Programs,
    masked: bool,
    keeper: &Keeper,
) -> Result<Report, DemoError> {
    let options_of_turn = Options {
        dir: options.dir.clone(),
        programs: programs.clone(),
        banks: options.banks,
        parameters: options.parameters,
        rounds: options.rounds,
        way: options.way,
        delay: None,
    };
    let report = play(&options_of_turn, keeper.clone())?;
    let kept = kept_by_compression(&options.dir.join("coordinator/data/blobs"), report.packed())?;
    if (kept > NOISE) != masked {
        return Err(DemoError::Trial(format!(
            "{}: its updates can be compressed to {kept:.2} of their bytes, expected {} {NOISE}",
            programs.client.display(),
            if masked { "above" } else { "at most" }
        )));
    }
    Ok(report)
}

/// What compression leaves of a file of `bytes` bytes in the folders of `folder`, one for each byte: the median. All but one are updates, the
/// other is their sum.
fn kept_by_compression(folder: &Path, bytes: u64) -> Result<f64, DemoError> {
    let mut kept = Vec::new();
    for inner in fs::read_dir(folder).map_err(DemoError::file(folder))?.flatten() {
        let inner = inner.path();
        for file in fs::read_dir(&inner).map_err(DemoError::file(&inner))?.flatten() {
            let path = file.path();
            if file.metadata().is_ok_and(|about| about.len() == bytes) {
                let content = fs::read(&path).map_err(DemoError::file(&path))?;
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                let squeezed = encoder.write_all(&content).and_then(|()| encoder.finish());
                let squeezed = squeezed.map_err(DemoError::file(&path))?.len();
                kept.push(squeezed as f64 / bytes as f64);
            }
        }
    }
    kept.sort_by(f64::total_cmp);
    kept.get(kept.len() / 2)
        .copied()
        .ok_or_else(|| DemoError::Trial(format!("{}: found no update of {bytes} bytes", folder.display())))
}

fn table(options: &MasksOptions, turns: &[Turn], rest: f64) -> String {
    let median = |of: &dyn Fn(&Turn) -> f64| {
        let mut values: Vec<f64> = turns.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let spread = |of: &dyn Fn(&Turn) -> f64| {
        let values = || turns.iter().map(of);
        format!(
            "{:.2} ({:.2} to {:.2})",
            median(of),
            values().fold(f64::INFINITY, f64::min),
            values().fold(0.0, f64::max)
        )
    };
    let row = |what: &str, of: fn(&Turn) -> [f64; 2]| {
        format!(
            "| {what} | {:.3} | {:.3} | {} |\n",
            median(&|turn| of(turn)[0]),
            median(&|turn| of(turn)[1]),
            spread(&|turn| of(turn)[0] / of(turn)[1]),
        )
    };
    let MasksOptions {
        banks,
        parameters,
        rounds,
        way,
        ..
    } = options;
    format!(
        "| {banks} banks, {parameters} parameters, {}, {} turns of {rounds} rounds, s | masked | unmasked | ratio |\n| --- | --- | --- | --- |\n{}{}\
         | all machines' work on a round of 4 parameters in memory, one core, s | {rest:.3} | | |\n\
         | CPU of a round, that work counted as masking too | | | {} |\n",
        way.name(),
        turns.len(),
        row("whole round without training", |turn| turn.wall),
        row("CPU of a round without training", |turn| turn.cpu),
        spread(&|turn| turn.cpu[0] / (turn.cpu[1] - rest)),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use veilsum_protocol::crypto::entropy::{Entropy as _, SeededEntropy};

    use super::*;

    #[test]
    fn noise_cannot_be_compressed_and_digits_can() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("ab");
        fs::create_dir(&inner).unwrap();
        let mut noise = vec![0; 40_000];
        SeededEntropy::new(1).fill(&mut noise);
        fs::write(inner.join("noise"), &noise).unwrap();
        fs::write(inner.join("another length"), [0; 7]).unwrap();
        assert!(kept_by_compression(folder.path(), 40_000).unwrap() > NOISE);
        // The median: two of three.
        let digits: Vec<u8> = noise.iter().map(|byte| byte & 15).collect();
        fs::write(inner.join("digits"), &digits).unwrap();
        fs::write(inner.join("digits again"), &digits).unwrap();
        assert!(kept_by_compression(folder.path(), 40_000).unwrap() < NOISE);
        assert!(kept_by_compression(folder.path(), 5).is_err());
    }

    #[test]
    fn a_ratio_is_that_of_its_turn() {
        let options = MasksOptions {
            dir: PathBuf::new(),
            banks: 10,
            parameters: 1000,
            rounds: 4,
            turns: 3,
            way: Way::Tcp,
        };
        let turn = |with: f64, without: f64| Turn {
            wall: [with, without],
            cpu: [2.0 * with, 2.0 * without],
        };
        let table = table(&options, &[turn(0.5, 0.4), turn(0.9, 0.6), turn(0.3, 0.3)], 0.1);
        let expected = [
            "| 10 banks, 1000 parameters, TCP, 3 turns of 4 rounds, s | masked | unmasked | ratio |",
            "| whole round without training | 0.500 | 0.400 | 1.25 (1.00 to 1.50) |",
            "| CPU of a round without training | 1.000 | 0.800 | 1.25 (1.00 to 1.50) |",
            "| CPU of a round, that work counted as masking too | | | 1.43 (1.20 to 1.64) |",
        ];
        for line in expected {
            assert!(table.lines().any(|found| found == line), "{line}\n{table}");
        }
    }
}
