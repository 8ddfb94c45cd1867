//! This machine: room on the disk, and whether it keeps what is written; memory; open files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::report::{Report, Whose, Wrong};
use rustix::process::{Resource, getrlimit};

const MIB: u64 = 1 << 20;

/// Bytes that are written to try the disk: what the state of a small bank takes.
const TRIAL: usize = 256 << 10;

/// What to do about a disk, in the words of the program whose disk it is.
#[derive(Clone, Copy)]
pub struct Advice {
    /// Where it is too small.
    pub too_small: &'static str,
    /// About what the system says; empty where nothing holds in general.
    pub of_error: fn(&io::Error) -> &'static str,
}

/// Room in a folder, or where it would be made, and whether the disk keeps what it is given. `needed` bytes are, for what `what_for` says. Gives the bytes
/// that are free.
pub fn disk(report: &mut Report, folder: &Path, needed: u64, what_for: &str, advice: Advice) -> Option<u64> {
    report.looking("disk", &format!("{}, with a trial write", folder.display()), None);
    let folder = existing(folder);
    if let Err((what, error)) = trial(&folder) {
        let found = format!("{}: {what}: {error}", folder.display());
        let wrong = Wrong {
            cause: cause_of(&error),
            detail: found,
            todo: Some(todo(&error, advice)),
        };
        report.fail("disk", Whose::Ours, wrong);
        return None;
    }
    match rustix::fs::statvfs(&folder) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            room(report, &folder, free, needed, what_for, advice);
            Some(free)
        }
        Err(error) => {
            let found = format!("{}: cannot tell its room: {error}", folder.display());
            report.fail("disk", Whose::Ours, Wrong::told("disk", found));
            None
        }
    }
}

/// Whether `free` bytes are enough.
fn room(report: &mut Report, folder: &Path, free: u64, needed: u64, what_for: &str, advice: Advice) {
    let found = format!(
        "{}: {} free, {} needed for {what_for}",
        folder.display(),
        mib(free),
        mib(needed)
    );
    if free < needed {
        report.fail(
            "disk",
            Whose::Ours,
            Wrong::new("disk-full", found, advice.too_small),
        );
    } else {
        report.ok("disk", format!("{found}; it keeps what is written"));
    }
}

fn cause_of(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => "disk-full",
        ErrorKind::ReadOnlyFilesystem => "disk-read-only",
        ErrorKind::PermissionDenied => "disk-permission",
        _ => "disk",
    }
}

fn todo(error: &io::Error, advice: Advice) -> String {
    match (advice.of_error)(error).trim_start_matches("; ") {
        "" => "the disk does not do what is needed: look at the system's log".to_owned(),
        words => words.to_owned(),
    }
}

/// The folder, or the one above it in which it would be made.
fn existing(folder: &Path) -> PathBuf {
    let mut folder = folder;
    while !folder.is_dir() {
        match folder.parent() {
            Some(parent) if parent != Path::new("") => folder = parent,
            _ => return PathBuf::from("."),
        }
    }
    folder.to_owned()
}

/// Writes a file, makes it durable, gives it another name and takes it away, as the daemon does with each of its files.
fn trial(folder: &Path) -> Result<(), (&'static str, io::Error)> {
    let first = folder.join(format!(".preflight.{}", std::process::id()));
    let second = folder.join(format!(".preflight.{}.new", std::process::id()));
    let tried = steps(folder, &first, &second);
    // One of them is there where a step failed.
    for path in [&first, &second] {
        let _ = fs::remove_file(path);
    }
    tried
}

fn steps(folder: &Path, first: &Path, second: &Path) -> Result<(), (&'static str, io::Error)> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(first)
        .map_err(|error| ("a file cannot be made", error))?;
    file.write_all(&vec![0; TRIAL])
        .map_err(|error| ("a file cannot be written", error))?;
    file.sync_all()
        .map_err(|error| ("a file cannot be made durable (fsync)", error))?;
    fs::rename(first, second).map_err(|error| ("a file cannot be renamed", error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| ("the folder cannot be made durable (fsync)", error))
}

/// Memory that a program takes.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Without so many bytes it does not run.
    pub least: u64,
    /// What these are for.
    pub what_for: String,
    /// So many more bytes it takes where there is much to keep, by the name of the key that says so.
    pub more: Option<(u64, &'static str)>,
}

/// Memory that can be had now, against what the program takes.
pub fn memory(report: &mut Report, needs: &Memory) {
    match available(Path::new("/")) {
        Ok(available) => enough(report, &available, needs),
        Err(problem) => report.warn("memory", Wrong::told("memory", problem)),
    }
}

/// How much there is, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Available {
    bytes: u64,
    by: &'static str,
}

fn enough(report: &mut Report, available: &Available, needs: &Memory) {
    let (more, key) = needs.more.unwrap_or((0, ""));
    let mut found = format!(
        "{} available ({}), {} needed for {}",
        mib(available.bytes),
        available.by,
        mib(needs.least),
        needs.what_for
    );
    if needs.more.is_some() {
        found += &format!(", and up to {} more ({key})", mib(more));
    }
    if available.bytes < needs.least {
        let todo = "give the machine, or the container or unit that the daemon runs in, more memory";
        report.fail("memory", Whose::Ours, Wrong::new("memory", found, todo));
    } else if available.bytes < needs.least.saturating_add(more) {
        let left = available.bytes.saturating_sub(needs.least);
        let todo = format!("what fills {key}, does not fit: set it to {left} or less");
        report.warn("memory", Wrong::new("memory", found, todo));
    } else {
        report.ok("memory", found);
    }
}

/// `MemAvailable` of the kernel, or the least of what the control groups of this process leave.
fn available(root: &Path) -> Result<Available, String> {
    let path = root.join("proc/meminfo");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .ok_or_else(|| format!("{}: found no MemAvailable in kB", path.display()))?;
    let machine = Available {
        bytes: kib.saturating_mul(1024),
        by: "MemAvailable of the machine",
    };
    let group = group_leaves(root).map(|bytes| Available {
        bytes,
        by: "limit of its control group",
    });
    Ok(match group {
        Some(group) if group.bytes < machine.bytes => group,
        _ => machine,
    })
}

/// What the control groups above this process leave (version 2, then 1); `None` where there is no limit.
fn group_leaves(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let mut least: Option<u64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let (base, limit, used) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max", "memory.current"),
            some if some.split(',').any(|one| one == "memory") => (
                "sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
            ),
            _ => continue,
        };
        let base = root.join(base);
        let mut folder = base.join(group.trim_start_matches('/'));
        loop {
            // "max" is no number, and no limit.
            if let Some(limit) = number(folder.join(limit)) {
                let used = number(folder.join(used)).unwrap_or(0);
                // Pages of files count as used, and are given up when somebody needs them.
                let used = used.saturating_sub(cached(&folder.join("memory.stat")));
                let left = limit.saturating_sub(used);
                least = Some(least.map_or(left, |least| least.min(left)));
            }
            if folder == base || !folder.pop() {
                break;
            }
        }
    }
    least
}

/// Bytes of files that the group holds and has not used for a while.
fn cached(stat: &Path) -> u64 {
    let text = fs::read_to_string(stat).unwrap_or_default();
    let of = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    of("total_inactive_file ")
        .or_else(|| of("inactive_file "))
        .unwrap_or(0)
}

/// How many files may be open, against how many are needed.
pub fn files(report: &mut Report, needed: u64) {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => {
            let found = format!("{limit} may be open at once, {needed} needed");
            let todo = "raise the limit for the daemon's user (`ulimit -n`, LimitNOFILE= of its unit)";
            report.fail("open files", Whose::Ours, Wrong::new("open-files", found, todo));
        }
        Some(limit) => report.ok(
            "open files",
            format!("{limit} may be open at once, {needed} needed"),
        ),
        None => report.ok("open files", "no limit"),
    }
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes / MIB)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::report::Verdict;

    fn report() -> Report {
        Report::new(Box::new(|_| ()))
    }

    fn last(report: &Report) -> (Verdict, Option<&'static str>, String) {
        let last = report.findings.last().unwrap();
        (last.verdict, last.cause, last.detail.clone())
    }

    const ADVICE: Advice = Advice {
        too_small: "free space",
        of_error: |_| "",
    };

    #[test]
    fn a_disk_without_room_is_named() {
        let of = |free| {
            let mut told = report();
            room(
                &mut told,
                Path::new("state"),
                free,
                140 * MIB,
                "task credit",
                ADVICE,
            );
            (last(&told), told.exit_code())
        };
        let ((verdict, cause, detail), code) = of(100 * MIB);
        assert_eq!((verdict, cause, code), (Verdict::Failed, Some("disk-full"), 2));
        assert_eq!(detail, "state: 100 MiB free, 140 MiB needed for task credit");
        assert_eq!(of(140 * MIB).1, 0);
    }

    #[test]
    fn the_trial_leaves_nothing_and_a_folder_that_is_to_be_made_is_tried_above() {
        let scratch = tempfile::tempdir().unwrap();
        let mut told = report();
        disk(&mut told, &scratch.path().join("a/b/state"), 1, "nothing", ADVICE);
        assert!(last(&told).2.starts_with(&scratch.path().display().to_string()));
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_the_disk_says_becomes_a_cause() {
        for (kind, cause) in [
            (ErrorKind::StorageFull, "disk-full"),
            (ErrorKind::QuotaExceeded, "disk-full"),
            (ErrorKind::ReadOnlyFilesystem, "disk-read-only"),
            (ErrorKind::PermissionDenied, "disk-permission"),
            (ErrorKind::Other, "disk"),
        ] {
            assert_eq!(cause_of(&kind.into()), cause);
        }
        assert!(todo(&ErrorKind::Other.into(), ADVICE).contains("the system's log"));
    }

    #[test]
    fn memory_is_what_the_machine_or_its_tightest_group_leaves() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "proc/meminfo",
            "MemTotal:  9000000 kB\nMemAvailable:  4194304 kB\n",
        );
        let of = || available(root.path()).unwrap();
        assert_eq!((of().bytes, of().by), (4096 * MIB, "MemAvailable of the machine"));
        write("proc/self/cgroup", "0::/system.slice/veilsum.service\n");
        write("sys/fs/cgroup/system.slice/veilsum.service/memory.max", "max\n");
        assert_eq!(of().bytes, 4096 * MIB);
        // A limit anywhere above counts.
        write("sys/fs/cgroup/system.slice/memory.max", "1073741824\n");
        write("sys/fs/cgroup/system.slice/memory.current", "268435456\n");
        let stat = "sys/fs/cgroup/system.slice/memory.stat";
        write(stat, "anon 5\ninactive_file 134217728\n");
        assert_eq!(of().bytes, 896 * MIB);
        write(stat, "");
        assert_eq!((of().bytes, of().by), (768 * MIB, "limit of its control group"));
        write("proc/self/cgroup", "4:cpu:/x\n7:memory:/docker/1\n");
        write(
            "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
            "536870912\n",
        );
        assert_eq!(of().bytes, 512 * MIB);
        write("proc/meminfo", "nothing\n");
        assert!(available(root.path()).unwrap_err().contains("MemAvailable"));
    }

    #[test]
    fn memory_for_the_program_is_needed_and_for_the_rows_is_advised() {
        let of = |mib: u64| {
            let available = Available {
                bytes: mib * MIB,
                by: "test",
            };
            let needs = Memory {
                least: 256 * MIB,
                what_for: "the program".to_owned(),
                more: Some((1 << 30, "data.memory_bytes, for rows")),
            };
            let mut told = report();
            enough(&mut told, &available, &needs);
            let todo = told.findings[0].todo.clone().unwrap_or_default();
            (last(&told).0, told.exit_code(), todo)
        };
        assert_eq!((of(200).0, of(200).1), (Verdict::Failed, 2));
        assert_eq!((of(1000).0, of(1000).1), (Verdict::Warning, 0));
        let todo = of(1000).2;
        assert!(
            todo.contains(&format!(
                "data.memory_bytes, for rows, does not fit: set it to {}",
                744 * MIB
            )),
            "{todo}"
        );
        assert_eq!(of(1300).0, Verdict::Ok);
    }
}
