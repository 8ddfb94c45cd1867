//! A process that leaves no memory behind: no core dump, and no debugger but root's.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// The system does not let the process turn its core dumps off.
#[derive(Debug, thiserror::Error)]
#[error("core dumps of this program cannot be turned off: {0}")]
pub struct CoreDumpError(#[from] io::Error);

/// Memory holds keys, and a bank's also rows and masks, and a core dump is a file with all of it. The limit keeps the kernel from writing one; a program
/// that takes cores over a pipe (`core_pattern`) gets them whatever the limit says, and none of a process that cannot be dumped.
///
/// # Errors
/// [`CoreDumpError`] with what the system says. What goes on then has memory that may be written to a disk.
pub fn forbid() -> Result<(), CoreDumpError> {
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, nothing).map_err(io::Error::from)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(io::Error::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn the_process_cannot_be_dumped_and_cannot_change_that_limit_back() {
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable);
        forbid().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    }
}
