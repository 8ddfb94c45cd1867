//! What a terminal shows while a log is checked.

use std::io::{self, IsTerminal as _, Write as _};

use crate::mirror::MirrorProgress;
use crate::verify::Progress;

/// On a terminal one line that is written over; elsewhere a line at the start and at the end.
pub(super) fn show() -> impl FnMut(Progress) {
    let terminal = io::stderr().is_terminal();
    move |progress| {
        let mut err = io::stderr();
        let _ = match progress {
            Progress::Read { entries } => writeln!(err, "read {entries} entries up to the signed checkpoint"),
            Progress::Signatures { done, of } if terminal => {
                let end = if done == of { "\n" } else { "" };
                write!(err, "\rchecked the signatures of {done} of {of} rounds{end}")
            }
            Progress::Round { done, of } if terminal => {
                let end = if done == of { "\n" } else { "" };
                write!(err, "\rchecked {done} of {of} rounds{end}")
            }
            Progress::Round { done, of } if done == of => writeln!(err, "checked {of} rounds"),
            Progress::Signatures { .. } | Progress::Round { .. } => Ok(()),
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
