#![allow(clippy::unwrap_used)]

use std::fs;
use std::sync::atomic::{AtomicI64, Ordering};

use time::Duration;

use super::*;
use crate::config::Config;
use crate::enrol::init::{Folder, init, tests::options};

struct Scene {
    _scratch: tempfile::TempDir,
    kept: Kept,
    told: Arc<AtomicI64>,
}

/// A coordinator whose certificate was issued `days` ago, for 90 days.
fn scene(days: i64, policy: Renewal) -> Scene {
    let scratch = tempfile::tempdir().unwrap();
    let mut options = options(scratch.path());
    options.days = 90;
    init(&options, OffsetDateTime::now_utc() - Duration::days(days)).unwrap();
    let config = Config::load(&Folder::at(&options.dir).config(), []).unwrap();
    let files = config.identity;
    let ca = fs::read_to_string(Folder::at(&options.dir).identity("ca.crt.pem")).unwrap();
    let identity = ServerIdentity::load(&files.certificate, &files.key, &ca).unwrap();
    let facts = inspect::facts_of_pem(&identity.certificate).unwrap();
    let told = Arc::new(AtomicI64::new(0));
    let heard = Arc::clone(&told);
    let own = OwnCertificate {
        dir: options.dir,
        files,
        policy,
        server_name: "localhost".to_owned(),
        expires: Arc::new(move |at| heard.store(at, Ordering::Relaxed)),
    };
    Scene {
        _scratch: scratch,
        kept: Kept {
            own,
            ca: identity.ca,
            key: identity.key,
            shown: identity.shown,
            file: identity.certificate,
            facts,
            tried_at: i64::MIN,
            reminded_at: i64::MIN,
        },
        told,
    }
}

#[test]
fn it_is_renewed_in_its_last_third_and_shown_at_once() {
    let mut scene = scene(61, Renewal::Automatic);
    let now = OffsetDateTime::now_utc();
    let before = scene.kept.facts.clone();
    scene.kept.look(now);
    let after = &scene.kept.facts;
    assert_eq!((after.tls_key, &after.hosts), (before.tls_key, &before.hosts));
    assert_eq!(after.days_left(now.unix_timestamp()), 90);
    assert_eq!(scene.told.load(Ordering::Relaxed), after.not_after);
}

#[test]
fn nothing_is_done_before_that_or_where_the_operator_wants_to_be_asked() {
    for (days, policy) in [(59, Renewal::Automatic), (61, Renewal::Ask), (89, Renewal::Ask)] {
        let mut scene = scene(days, policy);
        let before = scene.kept.file.clone();
        scene.kept.look(OffsetDateTime::now_utc());
        assert_eq!(fs::read(&scene.kept.own.files.certificate).unwrap(), before);
        assert_eq!(scene.told.load(Ordering::Relaxed), 0);
        // Told in the last thirty days.
        assert_eq!(scene.kept.reminded_at != i64::MIN, days >= 60, "{days}");
    }
}

#[test]
fn without_the_authoritys_key_the_operator_is_reminded_once_a_day() {
    let mut scene = scene(70, Renewal::Automatic);
    fs::remove_file(Folder::at(&scene.kept.own.dir).identity("ca.key.pem")).unwrap();
    let now = OffsetDateTime::now_utc();
    scene.kept.look(now);
    assert_eq!(scene.kept.reminded_at, now.unix_timestamp());
    scene.kept.look(now + Duration::hours(5));
    assert_eq!(scene.kept.reminded_at, now.unix_timestamp());
    scene.kept.look(now + Duration::hours(25));
    assert!(scene.kept.reminded_at > now.unix_timestamp());
}

#[test]
fn what_banks_would_refuse_is_not_shown() {
    let mut scene = scene(1, Renewal::Automatic);
    let path = scene.kept.own.files.certificate.clone();
    let facts = scene.kept.facts.clone();
    for wrong in [b"hello".to_vec(), scene.kept.ca.clone()] {
        fs::write(&path, wrong).unwrap();
        scene.kept.look(OffsetDateTime::now_utc());
        assert_eq!(scene.kept.facts, facts);
    }
    fs::remove_file(&path).unwrap();
    scene.kept.look(OffsetDateTime::now_utc());
    assert_eq!(scene.kept.facts, facts);
}
