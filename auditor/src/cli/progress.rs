//! What a terminal shows while a log is checked.

use std::io::{self, IsTerminal as _, Write as _};

use crate::mirror::MirrorProgress;
use crate::verify::Progress;

/// On a terminal one line that is written over; elsewhere a line at the end.
pub(super) fn show() -> impl FnMut(Progress) {
    let terminal = io::stderr().is_terminal();
    move |Progress {
              read,
              of,
              rounds,
              over,
          }| {
        let mut err = io::stderr();
        let _ = match (terminal, over) {
            (true, _) => {
                let end = if over { "\n" } else { "" };
                write!(err, "\rread {read} of {of} entries, checked {rounds} rounds{end}")
            }
            (false, true) => writeln!(
                err,
                "read {of} entries up to the signed checkpoint, checked {rounds} rounds"
            ),
            (false, false) => Ok(()),
        };
    }
}

/// The same while a log is copied.
pub(super) fn show_mirror() -> impl FnMut(MirrorProgress) {
    let terminal = io::stderr().is_terminal();
    move |progress| {
        let mut err = io::stderr();
        let _ = match progress {
            MirrorProgress::Head { from, to } => {
                writeln!(err, "the signed checkpoint has {to} entries, the copy {from}")
            }
            MirrorProgress::Bundles { done, of } if terminal => {
                let end = if done == of { "\n" } else { "" };
                write!(err, "\rcopied {done} of {of} bundles of entries{end}")
            }
            MirrorProgress::Archive { done, of } if terminal => {
                let end = if done == of { "\n" } else { "" };
                write!(err, "\rcopied the files of {done} of {of} entries{end}")
            }
            MirrorProgress::Bundles { .. } | MirrorProgress::Archive { .. } => Ok(()),
        };
    }
}
