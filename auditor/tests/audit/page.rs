//! The report as a page: what it says, and what a browser makes of it.

mod browser;
mod many;

use time::OffsetDateTime;
use veilsum_auditor::page::Page;
use veilsum_auditor::verify::{Known, verify_against};
use veilsum_protocol::ids::Round;
use veilsum_protocol::log::entry::{AbortReason, Entry};

use crate::program::{out, with_key};
use crate::rounds::{End, Script, story};
use crate::world::World;

/// The page of a log, with or without its archive.
pub(crate) fn page(world: &World, archive: bool) -> String {
    world.on_disk(|_, mut audit| {
        if !archive {
            audit.archive = None;
        }
        let known = Known::default();
        let audited = verify_against(&audit, &known, |_| ()).unwrap();
        let page = Page {
            audit: &audit,
            known: &known,
            audited: &audited,
            now: OffsetDateTime::from_unix_timestamp(1_700_010_000).unwrap(),
        };
        page.render()
    })
}

/// 42 rounds of one task: aborted ones, banks that drop out, are not ready, do not prepare.
pub(crate) fn year() -> World {
    let mut world = World::of_rounds(37);
    let all: &[u16] = &[1, 2, 3, 4, 5];
    let mut attempt = 0;
    for round in 1..=42 {
        let (prepared, cohort, survivors, end): (&[u16], &[u16], &[u16], End) = match round {
            4 | 5 => (all, all, &[1, 2, 3, 5], End::Published),
            9 => (&[1, 2, 3, 5], &[1, 2, 3, 5], &[1, 2, 3, 5], End::Published),
            12 => (all, all, &[1, 2, 4, 5], End::AbortedAfter(2)),
            13 => (all, all, &[1, 2, 4, 5], End::Published),
            18 | 19 => (all, &[1, 2, 3, 4], &[1, 2, 3, 4], End::Published),
            23 => (all, all, &[1, 3, 4, 5], End::BadSharesOf(2)),
            27 => {
                world.log(&Entry::Abort {
                    round: Round(round),
                    reason: AbortReason::TooFewPrepared,
                    after_release: false,
                });
                attempt += 1;
                continue;
            }
            28..=31 => (&[1, 2, 3, 4], &[1, 2, 3, 4], &[1, 2, 3, 4], End::Published),
            36 => (all, all, &[2, 3, 4, 5], End::Published),
            42 => (&[1, 2, 3, 5], &[], &[], End::Opened),
            _ => (all, all, all, End::Published),
        };
        world.play(&Script {
            round,
            attempt,
            prepared,
            cohort,
            survivors,
            end,
        });
        attempt = if end == End::Published { 0 } else { attempt + 1 };
    }
    world
}

#[test]
fn the_page_says_what_was_and_was_not_checked() {
    let world = story();
    let whole = page(&world, true);
    for words in [
        "The log and the replay of every masked sum verify: 2 rounds and 1 aborted, 5 banks, 60 entries.",
        "2 of 2 sums again from the masked updates in the archive",
        "That the rosters are the pinned ones.",
        "Round 4 is not over",
        "too few banks released their shares",
        "Made by veilsum-auditor",
        "2023-11-15 01:00:00 UTC",
    ] {
        assert!(whole.contains(words), "{words:?} is not in\n{whole}");
    }
    assert!(!whole.contains("there was no archive"));
    let alone = page(&world, false);
    assert!(alone.contains("there was no archive, so no sum was replayed"));
    let mut unpinned = world.clone();
    unpinned.pinned.clear();
    assert!(page(&unpinned, true).contains("no roster was pinned"));
}

#[test]
fn pictures_follow_from_the_sums_and_only_from_those() {
    let world = story();
    let drawn = [
        "ROC curve",
        "Kolmogorov-Smirnov",
        "Confusion matrix",
        "Brier score 0.",
    ];
    let whole = page(&world, true);
    for words in drawn {
        assert!(whole.contains(words), "{words}");
    }
    assert!(whole.contains("From the sum of step 1, of the model from which it began:"));
    let alone = page(&world, false);
    assert!(!drawn.iter().any(|words| alone.contains(words)));
    assert!(alone.contains("follow from the sums themselves, which the archive holds"));
    // The figures by step are the log's.
    assert!(alone.contains("AUC by step"));
    // Of a sum that does not give what the log says nothing is drawn.
    let mut world = story();
    world.change(|entry| match entry {
        Entry::Result(result) if result.metrics.is_some() => {
            result.metrics.as_mut().unwrap().rows += 1;
            true
        }
        _ => false,
    });
    assert!(!page(&world, true).contains("ROC curve"));
}

#[test]
fn a_finding_stands_at_the_head_with_its_evidence() {
    let mut world = story();
    world.files.retain(|path, _| !path.ends_with("3.json"));
    let page = page(&world, true);
    let verdict = page.find("The log does not verify").unwrap();
    let evidence = page.find("id=\"finding-archived-bundle\"").unwrap();
    let rounds = page.find("id=\"rounds\"").unwrap();
    assert!(verdict < evidence && evidence < rounds);
    assert!(
        page.contains("<th scope=\"row\">entry 39, round 3</th>"),
        "{page}"
    );
    assert!(page.contains("archive/rounds/3.json"), "{page}");
}

#[test]
fn names_of_the_log_are_text_and_nothing_else() {
    let mut world = story();
    let name = "</title><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>";
    world.change(|entry| match entry {
        Entry::Task { name: old, .. } => {
            *old = name.to_owned();
            true
        }
        _ => false,
    });
    let page = page(&world, false);
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn a_log_that_is_no_true_copy_gives_a_page_that_tells_nothing_else_of_it() {
    let world = story();
    world.on_disk(|folder, _| {
        let bundle = folder.join("log/tile/entries/000.p/60");
        let mut bytes = std::fs::read(&bundle).unwrap();
        bytes[1000] ^= 1;
        std::fs::write(&bundle, bytes).unwrap();
        let output = with_key(&world, folder, &["verify", "log", "--report", "report.html"]);
        assert_eq!(output.status.code(), Some(1));
        let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
        assert!(
            page.contains("The log does not verify") && page.contains("nothing else in it was looked at")
        );
        assert!(!page.contains("id=\"rounds\"") && !page.contains("bank-3"));
    });
}

#[test]
fn the_program_writes_the_page_beside_what_it_prints() {
    let world = story();
    world.on_disk(|folder, _| {
        let arguments = [
            "verify",
            "log",
            "--archive",
            "archive",
            "--json",
            "--report",
            "new/report.html",
        ];
        let output = with_key(&world, folder, &arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(out(&output).starts_with("{\"verifies\":true"));
        let page = std::fs::read_to_string(folder.join("new/report.html")).unwrap();
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
        std::fs::create_dir(folder.join("taken")).unwrap();
        let output = with_key(&world, folder, &["verify", "log", "--report", "taken"]);
        assert_eq!(output.status.code(), Some(2));
    });
}
