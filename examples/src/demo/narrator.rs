use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Tells what happens: on a terminal with a bar below the lines, elsewhere in plain lines.
#[derive(Clone)]
pub struct Narrator {
    bar: Option<ProgressBar>,
    started: Instant,
}

impl Narrator {
    /// For this process's standard output.
    pub fn new() -> Self {
        let bar = std::io::stdout().is_terminal().then(ProgressBar::hidden);
        Self {
            bar,
            started: Instant::now(),
        }
    }

    /// One line.
    pub fn say(&self, line: &str) {
        let print = || {
            // Nobody listens any more, but the run and its exit code still count.
            let _ = writeln!(std::io::stdout(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// The head of a part of the demo.
    pub fn head(&self, title: &str) {
        self.say(&format!("\n{title}"));
    }

    /// A command that is about to be run.
    pub fn command(&self, line: &str) {
        self.say(&format!("  $ {line}"));
    }

    /// Shows a bar for `steps` steps, on a terminal.
    pub fn begin(&mut self, steps: u32) {
        if self.bar.is_some() {
            let bar = ProgressBar::new(u64::from(steps));
            let style = ProgressStyle::with_template("  {bar:30} {pos}/{len} steps  {elapsed}  {msg}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            self.bar = Some(bar);
        }
    }

    /// How many steps are done, and what is waited for.
    pub fn progress(&self, done: u32, waiting_for: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(u64::from(done));
            if bar.message() != waiting_for {
                bar.set_message(waiting_for.to_owned());
            }
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Default for Narrator {
    fn default() -> Self {
        Self::new()
    }
}
