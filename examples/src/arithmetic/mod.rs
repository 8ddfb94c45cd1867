//! What masks, sums and shares cost in one process, each against what the same machine allows in the same minute.

mod bank;
mod coordinator;
mod growth;
mod limits;
mod machines;
mod memory;
mod pace;
mod shares;

use std::path::Path;

pub use growth::Growth;
pub use machines::small_round;
pub use memory::measured;
use pace::Row;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum ArithmeticError {
    /// A file or a process of its own could not be had.
    #[error("{0}")]
    System(String),
    /// The picture could not be drawn.
    #[error("the picture of the growth could not be drawn: {0}")]
    Picture(String),
}

impl From<std::io::Error> for ArithmeticError {
    fn from(error: std::io::Error) -> Self {
        Self::System(error.to_string())
    }
}

/// Measures everything, and gives each line of the table to `say` when it is there.
///
/// `folder`: for files of 50 MB, which are removed.
///
/// # Errors
/// If files or processes cannot be had.
pub fn measure(folder: &Path, say: &mut dyn FnMut(&str)) -> Result<(), ArithmeticError> {
    say("| what | found | of the limit | limit in the same run | goal |");
    say("| --- | --- | --- | --- | --- |");
    let mut show = |row: Row| say(&row.to_string());
    limits::rows().into_iter().for_each(&mut show);
    bank::rows(&mut show);
    bank::files(folder, &mut show)?;
    coordinator::rows(&mut show);
    shares::rows(&mut show);
    memory::rows(&mut show)
}

/// Measures how cost grows with banks and parameters; `most`: the greatest number of parameters.
///
/// # Errors
/// If the picture cannot be drawn.
pub fn growth(most: usize, say: &mut dyn FnMut(&str)) -> Result<Growth, ArithmeticError> {
    growth::measure(most, say)
}
