//! One byte flipped, in every file of a log of fifty rounds and of its archive: the check that must find it follows from what the file
//! is, and the place from what names it.
//!
//! To verify the log with its archive takes about a second here, and it has a thousand files. So the whole `verify` is run
//! * for every flip in a file of the log: it ends at the first file that is not under the signed root;
//! * for a flip in one archived file of each kind, where exactly the checks that follow must fail;
//! * for flips in all archived files of one group at once, at five positions of each. What is read from one of them never decides whether
//!   another of its group is read, so each must give its finding as if it were alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use veilsum_auditor::verify::report::{Check, Place, Report};
use veilsum_auditor::{Audit, verify};
use veilsum_protocol::crypto::entropy::{Entropy, SeededEntropy};
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::entry::Entry;

use crate::fifty::{course, fifty};
use crate::rounds::{End, story};
use crate::world::{World, blob_path};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Task,
    Directory,
    Index,
    Bundle,
    Masked,
    Release,
    Sum,
}

impl Kind {
    /// The rule.
    fn check(self) -> Check {
        match self {
            Self::Task => Check::TaskText,
            Self::Directory => Check::ArchivedDirectory,
            Self::Index | Self::Bundle => Check::ArchivedBundle,
            Self::Masked => Check::ArchivedMasked,
            Self::Release => Check::ArchivedRelease,
            Self::Sum => Check::ArchivedSum,
        }
    }
}

/// What a file of the archive is, and the entry that names it.
#[derive(Clone, Copy, Debug)]
struct Role {
    kind: Kind,
    place: Place,
}

/// Every file of the archive, by what the entries name.
fn roles(world: &World) -> BTreeMap<String, Role> {
    let mut roles = BTreeMap::new();
    for (at, entry) in world.find(|_| true) {
        let round = entry.round().map(|round| round.0);
        let place = Place {
            entry: Some(at as u64),
            round,
        };
        let (kind, hash) = match &entry {
            Entry::Task { task, .. } => (Kind::Task, *task),
            Entry::KeyDirectory { directory, .. } => (Kind::Directory, *directory),
            Entry::Masked { hash, .. } => (Kind::Masked, *hash),
            Entry::Release { body, .. } => (Kind::Release, *body),
            Entry::Result(result) => (Kind::Sum, result.sum),
            Entry::PrepareManifest { round, .. } => {
                let path = format!("rounds/{round}.json");
                if let Some(index) = world.files.get(&path) {
                    let index: BTreeMap<BankIndex, String> = serde_json::from_slice(index).unwrap();
                    let kind = Kind::Bundle;
                    roles.extend(index.values().map(|hex| {
                        let hash = Digest::from_hex(hex).unwrap();
                        (blob_path(&hash), Role { kind, place })
                    }));
                    let kind = Kind::Index;
                    roles.insert(path, Role { kind, place });
                }
                continue;
            }
            _ => continue,
        };
        roles.insert(blob_path(&hash), Role { kind, place });
    }
    let named: BTreeSet<&String> = roles.keys().collect();
    assert_eq!(named, world.files.keys().collect(), "every file has a role");
    roles
}

/// Flips by a fixed seed: never the same byte again, or it would be no flip.
struct Flips(SeededEntropy);

impl Flips {
    fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    fn below(&mut self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % end as u64).unwrap()
    }

    fn flip(&mut self, bytes: &mut [u8], at: usize) {
        bytes[at] ^= u8::try_from(1 + self.below(255)).unwrap();
    }

    /// The first byte, the last, or one between.
    fn position(&mut self, which: usize, length: usize) -> usize {
        match which {
            0 => 0,
            1 => length - 1,
            _ => self.below(length),
        }
    }
}

fn has(report: &Report, check: Check, place: Place, path: &str) -> bool {
    let mut checks = report.checks.iter().filter(|report| report.check == check);
    let finding = |found: &str, at: Place| at == place && found.contains(path);
    checks.any(|check| check.findings.iter().any(|it| finding(&it.found, it.place)))
}

fn findings(report: &Report) -> String {
    let findings = report.checks.iter().flat_map(|check| {
        let told = move |finding: &_| format!("  {}: {finding}\n", check.check.name());
        check.findings.iter().map(told)
    });
    findings.take(20).collect()
}

#[test]
fn an_honest_log_of_fifty_rounds_gives_no_finding() {
    let report = fifty().audit();
    assert!(report.holds(), "{}", findings(&report));
    assert_eq!(
        (report.rounds, report.aborted, report.replayed),
        (45, 5, Some(45))
    );
}

#[test]
fn a_flip_in_any_file_of_the_archive_is_found_in_that_file() {
    let honest = fifty();
    let roles = roles(&honest);
    let groups: [&[Kind]; 3] = [
        &[
            Kind::Directory,
            Kind::Bundle,
            Kind::Masked,
            Kind::Release,
            Kind::Sum,
        ],
        &[Kind::Index],
        &[Kind::Task],
    ];
    let mut flips = Flips::new(1);
    honest.on_disk(|folder, audit| {
        let archive = folder.join("archive");
        for kinds in groups {
            let group = || roles.iter().filter(|(_, role)| kinds.contains(&role.kind));
            for which in 0..5 {
                for (path, _) in group() {
                    let mut contents = honest.files[path].clone();
                    let at = flips.position(which, contents.len());
                    flips.flip(&mut contents, at);
                    fs::write(archive.join(path), contents).unwrap();
                }
                let report = verify(&audit, |_| ()).unwrap();
                for (path, role) in group() {
                    assert!(
                        has(&report, role.kind.check(), role.place, path),
                        "{path}, {role:?}, position {which}\n{}",
                        findings(&report)
                    );
                }
            }
            for (path, _) in group() {
                fs::write(archive.join(path), &honest.files[path]).unwrap();
            }
        }
        assert!(verify(&audit, |_| ()).unwrap().holds());
    });
}

#[test]
fn a_flip_in_one_file_of_the_archive_fails_its_checks_and_no_others() {
    let honest = fifty();
    let roles = roles(&honest);
    let mut flips = Flips::new(2);
    honest.on_disk(|folder, audit| {
        for kind in roles.values().map(|role| role.kind).collect::<BTreeSet<_>>() {
            let of_kind: Vec<_> = roles.iter().filter(|(_, role)| role.kind == kind).collect();
            for which in 0..3 {
                let (path, role) = of_kind[flips.below(of_kind.len())];
                let mut expected = vec![kind.check()];
                let course = role.place.round.and_then(course);
                // Four banks' shares take the masks off; of five one is spare.
                if kind == Kind::Release
                    && course
                        .is_some_and(|(_, _, survivors, end)| end == End::Published && survivors.len() == 4)
                {
                    expected.push(Check::MaskedSum);
                }
                let at = flips.position(which, honest.files[path].len());
                let report = flipped_on_disk(&audit, &folder.join("archive").join(path), at, &mut flips);
                assert_eq!(
                    report.failed(),
                    expected,
                    "{path} {role:?}\n{}",
                    findings(&report)
                );
                assert!(
                    has(&report, kind.check(), role.place, path),
                    "{}",
                    findings(&report)
                );
            }
        }
    });
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn flipped_on_disk(audit: &Audit, path: &Path, at: usize, flips: &mut Flips) -> Report {
    let good = fs::read(path).unwrap();
    let mut bad = good.clone();
    flips.flip(&mut bad, at);
    fs::write(path, bad).unwrap();
    let report = verify(audit, |_| ()).unwrap();
    fs::write(path, good).unwrap();
    report
}

#[test]
fn a_flip_in_any_tile_or_bundle_is_found_in_that_file() {
    fifty().on_disk(|folder, mut audit| {
        audit.archive = None;
        let mut flips = Flips::new(3);
        let tiles = files(&folder.join("log/tile"));
        assert!(tiles.len() >= 9, "{tiles:?}");
        for path in tiles {
            let length = fs::read(&path).unwrap().len();
            for which in 0..10 {
                let at = flips.position(which, length);
                let report = flipped_on_disk(&audit, &path, at, &mut flips);
                let shown = path.to_str().unwrap();
                assert_eq!(report.failed(), [Check::Log], "{shown}, byte {at}");
                assert!(
                    has(&report, Check::Log, Place::default(), shown),
                    "{shown}, byte {at}\n{}",
                    findings(&report)
                );
            }
        }
    });
}

/// A head that more banks have cosigned than it takes still counts when the line of one of them cannot be read any more, as the
/// format of notes wants it; so here as many banks have cosigned as it takes, and no byte is spare. A small log, because every one of
/// the bytes takes an audit of the whole.
#[test]
fn a_flip_in_any_byte_of_the_checkpoint_is_found() {
    let mut world = story();
    world.cosigners = world.consortium.thresholds.threshold;
    let head = world.head();
    let note = head.note().as_str().to_owned();
    let lines: Vec<&str> = note.split_inclusive('\n').collect();
    // Origin, size, root, an empty line, the log's own signature.
    let own: usize = lines[..5].iter().map(|line| line.len()).sum();
    world.on_disk(|folder, mut audit| {
        audit.archive = None;
        let path = folder.join("log/checkpoint");
        assert!(verify(&audit, |_| ()).unwrap().holds());
        let mut flips = Flips::new(4);
        for at in 0..note.len() {
            let report = flipped_on_disk(&audit, &path, at, &mut flips);
            let failed = report.failed();
            // A flip in a cosignature leaves a note, or none.
            let cosignature = at >= own && failed == [Check::Witnesses];
            assert!(
                failed == [Check::Log] || cosignature,
                "byte {at}: {failed:?}\n{}",
                findings(&report)
            );
            let shown = if cosignature { "" } else { path.to_str().unwrap() };
            assert!(
                has(&report, failed[0], Place::default(), shown),
                "byte {at}\n{}",
                findings(&report)
            );
        }
    });
}
