//! What every store promises to the engine, run against each of them.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use veilsum_coordinator::engine::ports::{Commit, MAX_RECORD_BYTES, Store, StoreError};
use veilsum_coordinator::store::memory::MemoryStore;
use veilsum_coordinator::store::sled::SledStore;

/// A kind of store, and how it is closed and opened again.
trait Backend {
    type Store: Store;
    fn create() -> Self;
    fn open(&mut self) -> Self::Store;
    fn reopen(&mut self, store: Self::Store) -> Self::Store;
}

struct OnDisk(tempfile::TempDir);

impl Backend for OnDisk {
    type Store = SledStore;

    fn create() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&mut self) -> SledStore {
        SledStore::open(self.0.path()).unwrap()
    }

    fn reopen(&mut self, store: SledStore) -> SledStore {
        drop(store);
        self.open()
    }
}

struct InMemory;

impl Backend for InMemory {
    type Store = MemoryStore;

    fn create() -> Self {
        Self
    }

    fn open(&mut self) -> MemoryStore {
        MemoryStore::new()
    }

    fn reopen(&mut self, store: MemoryStore) -> MemoryStore {
        store
    }
}

fn put(key: &str, value: &[u8]) -> Commit {
    Commit {
        puts: vec![(key.to_owned(), value.to_owned())],
        ..Commit::default()
    }
}

fn append(entries: &[&[u8]], checkpoint: &str) -> Commit {
    let entries = entries.iter().map(|entry| entry.to_vec()).collect();
    Commit {
        entries,
        checkpoint: Some(checkpoint.to_owned()),
        ..Commit::default()
    }
}

type Records = Vec<(String, Vec<u8>)>;

/// Everything that a store tells.
fn everything(store: &impl Store) -> (Records, Vec<Vec<u8>>, Option<String>) {
    let entries = store.entries(0, store.log_size().unwrap()).unwrap();
    (store.scan("").unwrap(), entries, store.checkpoint().unwrap())
}

fn a_new_store_is_empty<B: Backend>() {
    let mut backend = B::create();
    let mut store = backend.open();
    for _ in 0..2 {
        assert_eq!(everything(&store), (vec![], vec![], None));
        assert_eq!(store.get("a").unwrap(), None);
        store = backend.reopen(store);
    }
}

fn a_commit_is_read_at_once_and_after_opening_again<B: Backend>() {
    let mut backend = B::create();
    let mut store = backend.open();
    let commit = Commit {
        puts: vec![
            ("round/1".to_owned(), b"open".to_vec()),
            ("empty".to_owned(), vec![]),
        ],
        deletes: vec!["never there".to_owned()],
        entries: vec![b"first".to_vec(), vec![], vec![0xff; 65_535]],
        checkpoint: Some("log.example\n3\n".to_owned()),
    };
    store.commit(&commit).unwrap();
    for _ in 0..2 {
        assert_eq!(store.get("round/1").unwrap().unwrap(), b"open");
        assert_eq!(store.get("empty").unwrap().unwrap(), b"");
        assert_eq!(store.log_size().unwrap(), 3);
        assert_eq!(store.entries(0, 3).unwrap(), commit.entries);
        assert_eq!(store.checkpoint().unwrap(), commit.checkpoint);
        store = backend.reopen(store);
    }
}

fn a_record_is_replaced_and_deleted<B: Backend>() {
    let mut backend = B::create();
    let mut store = backend.open();
    store.commit(&put("a", b"1")).unwrap();
    store.commit(&put("a", b"2")).unwrap();
    assert_eq!(store.get("a").unwrap().unwrap(), b"2");
    let delete = Commit {
        deletes: vec!["a".to_owned()],
        ..put("b", b"3")
    };
    store.commit(&delete).unwrap();
    store = backend.reopen(store);
    assert_eq!(store.get("a").unwrap(), None);
    assert_eq!(store.scan("").unwrap(), [("b".to_owned(), b"3".to_vec())]);
}

fn a_scan_finds_its_prefix_in_order_and_nothing_else<B: Backend>() {
    let mut backend = B::create();
    let mut store = backend.open();
    let keys = [
        "round/2",
        "round/10",
        "round",
        "round/",
        "roune",
        "a",
        "z",
        "round/\u{10ffff}",
        "m/log-size",
        "e/",
    ];
    for key in keys {
        store.commit(&put(key, key.as_bytes())).unwrap();
    }
    let found: Vec<String> = store
        .scan("round/")
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(found, ["round/", "round/10", "round/2", "round/\u{10ffff}"]);
    let mut sorted = keys;
    sorted.sort_unstable();
    assert_eq!(
        store
            .scan("")
            .unwrap()
            .into_iter()
            .map(|(key, _)| key)
            .collect::<Vec<_>>(),
        sorted
    );
    assert_eq!(store.scan("nothing").unwrap(), []);
    assert_eq!(
        store.log_size().unwrap(),
        0,
        "a record is no part of the log, whatever its key"
    );
}

fn entries_are_appended_in_order_and_read_by_range<B: Backend>() {
    let mut backend = B::create();
    let mut store = backend.open();
    for n in 0..300u16 {
        store
            .commit(&append(&[&n.to_be_bytes(), &[]], &n.to_string()))
            .unwrap();
    }
    store = backend.reopen(store);
    assert_eq!(store.log_size().unwrap(), 600);
    assert_eq!(
        store.entries(255, 259).unwrap(),
        [
            vec![],
            128u16.to_be_bytes().to_vec(),
            vec![],
            129u16.to_be_bytes().to_vec()
        ]
    );
    assert_eq!(store.entries(600, 600).unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(store.checkpoint().unwrap().unwrap(), "299");
    for (from, to) in [(0, 601), (601, 601), (3, 2), (u64::MAX, u64::MAX)] {
        let error = store.entries(from, to).unwrap_err();
        assert!(
            matches!(error, StoreError::NoSuchEntries { size: 600, .. }),
            "{error}"
        );
    }
}

fn a_commit_without_checkpoint_keeps_the_last_one<B: Backend>() {
    let mut backend = B::create();
    let mut store = backend.open();
    store.commit(&append(&[b"entry"], "one")).unwrap();
    store.commit(&put("a", b"")).unwrap();
    store = backend.reopen(store);
    assert_eq!(store.checkpoint().unwrap().unwrap(), "one");
    assert_eq!(store.log_size().unwrap(), 1);
}

fn a_refused_commit_changes_nothing<B: Backend>() {
    let mut backend = B::create();
    let mut store = backend.open();
    store
        .commit(&Commit {
            puts: vec![("kept".to_owned(), b"1".to_vec())],
            ..append(&[b"entry"], "one")
        })
        .unwrap();
    let before = everything(&store);
    let twice = vec![("a".to_owned(), vec![1]), ("a".to_owned(), vec![2])];
    let refused = [
        (put("", b"x"), "empty key"),
        (
            Commit {
                deletes: vec![String::new()],
                ..put("a", b"x")
            },
            "empty key",
        ),
        (
            Commit {
                puts: twice,
                ..Commit::default()
            },
            "twice",
        ),
        (
            Commit {
                deletes: vec!["a".to_owned()],
                ..put("a", b"x")
            },
            "twice",
        ),
        (
            Commit {
                deletes: vec!["kept".to_owned(), "kept".to_owned()],
                ..Commit::default()
            },
            "twice",
        ),
        (
            Commit {
                deletes: vec!["kept".to_owned()],
                ..put("a", &vec![0; MAX_RECORD_BYTES + 1])
            },
            "blob",
        ),
        (append(&[b"fine", &[0; 65_536]], "two"), "65536 bytes"),
        (
            append(&[b"fine"], &"x".repeat(MAX_RECORD_BYTES + 1)),
            "checkpoint",
        ),
    ];
    for (commit, what) in refused {
        let error = store.commit(&commit).unwrap_err();
        assert!(matches!(error, StoreError::Refused { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(everything(&store), before);
    }
    store.commit(&put("a", &vec![7; MAX_RECORD_BYTES])).unwrap();
    assert_eq!(store.get("a").unwrap().unwrap().len(), MAX_RECORD_BYTES);
}

macro_rules! contract {
    ($($rule:ident),* $(,)?) => {
        mod in_memory {
            $(#[test] fn $rule() { super::$rule::<super::InMemory>(); })*
        }
        mod on_disk {
            $(#[test] fn $rule() { super::$rule::<super::OnDisk>(); })*
        }
    };
}

contract!(
    a_new_store_is_empty,
    a_commit_is_read_at_once_and_after_opening_again,
    a_record_is_replaced_and_deleted,
    a_scan_finds_its_prefix_in_order_and_nothing_else,
    entries_are_appended_in_order_and_read_by_range,
    a_commit_without_checkpoint_keeps_the_last_one,
    a_refused_commit_changes_nothing,
);

fn any_commit() -> impl Strategy<Value = Commit> {
    let key = "[a-c]{1,2}";
    let puts = prop::collection::btree_map(key, prop::collection::vec(any::<u8>(), 0..40), 0..4);
    let deletes = prop::collection::btree_set(key, 0..4);
    let entries = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..3);
    (puts, deletes, entries, prop::option::of("[a-z]{0,8}")).prop_map(
        |(puts, mut deletes, entries, checkpoint)| {
            deletes.retain(|key| !puts.contains_key(key));
            Commit {
                puts: puts.into_iter().collect(),
                deletes: deletes.into_iter().collect(),
                entries,
                checkpoint,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn both_stores_tell_the_same_after_any_commits(commits in prop::collection::vec((any_commit(), any::<bool>()), 1..12)) {
        let mut backend = OnDisk::create();
        let mut on_disk = backend.open();
        let mut in_memory = MemoryStore::new();
        for (commit, reopen) in commits {
            on_disk.commit(&commit).unwrap();
            in_memory.commit(&commit).unwrap();
            if reopen {
                on_disk = backend.reopen(on_disk);
            }
            prop_assert_eq!(everything(&on_disk), everything(&in_memory));
        }
    }
}

/// Longest that a database may take to let go of its files: sled closes them from a thread of its own.
const PATIENCE: Duration = Duration::from_secs(20);

/// A foreign program's database in the folder, once the last one has gone.
fn foreign(folder: &Path) -> sled::Db {
    let until = Instant::now() + PATIENCE;
    loop {
        match sled::open(folder) {
            Ok(db) => return db,
            Err(error) if Instant::now() > until => panic!("{}: {error}", folder.display()),
            Err(_) => std::thread::yield_now(),
        }
    }
}

fn error_at(folder: &Path) -> StoreError {
    SledStore::open(folder).expect_err("the store must not open")
}

#[test]
fn a_second_opener_is_told_who_is_in_the_way() {
    let mut backend = OnDisk::create();
    let store = backend.open();
    let error = error_at(backend.0.path());
    assert!(matches!(&error, StoreError::InUse { path } if path == backend.0.path()));
    assert!(
        error.to_string().contains("already in use by another process"),
        "{error}"
    );
    drop(store);
    backend.open();
}

#[test]
fn a_foreign_database_holding_the_folder_is_reported_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let held = foreign(folder.path());
    assert!(matches!(error_at(folder.path()), StoreError::InUse { .. }));
    drop(held);
}

#[test]
fn a_database_without_or_with_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let unversioned = foreign(folder.path());
    unversioned.insert("key", "value").unwrap();
    drop(unversioned);
    let error = error_at(folder.path());
    assert!(
        matches!(&error, StoreError::Format { found, .. } if found == "without a version"),
        "{error}"
    );

    let newer = foreign(folder.path());
    newer.insert("m/format", "veilsum-coordinator-store/2").unwrap();
    drop(newer);
    let error = error_at(folder.path()).to_string();
    assert!(
        error.contains("veilsum-coordinator-store/2") && error.contains("veilsum-coordinator-store/1"),
        "{error}"
    );
}

#[test]
fn a_log_whose_end_is_missing_is_damage() {
    let mut backend = OnDisk::create();
    let mut store = backend.open();
    store.commit(&append(&[b"a", b"b", b"c"], "three")).unwrap();
    drop(store);
    let remove = |key: &[u8]| {
        let db = foreign(backend.0.path());
        assert!(db.remove(key).unwrap().is_some());
    };
    remove(b"e/\0\0\0\0\0\0\0\x01");
    let store = SledStore::open(backend.0.path()).unwrap();
    assert!(matches!(store.entries(0, 3), Err(StoreError::Damaged { .. })));
    assert_eq!(store.entries(2, 3).unwrap(), [b"c"]);
    drop(store);
    remove(b"e/\0\0\0\0\0\0\0\x02");
    let error = error_at(backend.0.path());
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_folder_that_is_a_file_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    std::fs::write(&path, b"a file").unwrap();
    let error = error_at(&path);
    assert!(
        matches!(&error, StoreError::Io { path: found, .. } if *found == path),
        "{error}"
    );
}
