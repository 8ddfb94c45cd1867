//! What is refused, by whom, and with which exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::scene::Scene;

#[test]
fn an_invitation_works_once_and_for_the_same_keys_again() {
    let scene = Scene::new();
    let _daemon = scene.daemon();
    let invitation = scene.invite("bank-a", &[]);
    let enrol = |dir: &str| scene.client(&["enrol", &invitation, "--dir", dir, "--no-wait"]);
    let first = enrol("bank").says(
        75,
        &["waiting for the operator's approval", "the same command goes on"],
    );
    // The answer was lost: the same folder asks again, also without the request file, and gets the same.
    fs::remove_file(scene.path("bank/bank-a.request.toml")).unwrap();
    let again = enrol("bank").says(75, &["waiting for the operator's approval"]);
    let print = |said: &str| {
        said.lines()
            .find(|line| line.starts_with("    "))
            .unwrap()
            .to_owned()
    };
    assert_eq!(print(&first.stderr), print(&again.stderr));
    // Other keys come too late.
    enrol("thief").says(
        1,
        &["was used already, with other keys", "tell the operator at once"],
    );
    scene
        .operator(&["approve", "bank-a"])
        .says(0, &["bank bank-a is approved"]);
    scene
        .operator(&["approve", "bank-a"])
        .says(0, &["was approved already"]);
    enrol("bank").says(
        75,
        &[
            "the certificate is here",
            "waiting for the roster: 1 bank is admitted",
        ],
    );
    assert!(scene.path("bank/bank.crt.pem").is_file());
    enrol("thief").says(1, &["was used already"]);
    assert!(!scene.path("thief/bank.crt.pem").exists());
}

#[test]
fn expired_withdrawn_refused_and_forged_invitations_are_told_apart() {
    let scene = Scene::new();
    let _daemon = scene.daemon();
    let enrol = |invitation: &str, dir: &str| scene.client(&["enrol", invitation, "--dir", dir, "--no-wait"]);

    let invitation = scene.invite("bank-a", &[]);
    let record = scene.path("coordinator/enrolment/bank-a.toml");
    let text = fs::read_to_string(&record).unwrap();
    let expires = text.lines().find(|line| line.starts_with("expires_at")).unwrap();
    fs::write(&record, text.replace(expires, "expires_at = 1700000000")).unwrap();
    enrol(&invitation, "a").says(
        1,
        &[
            "could be used until 2023-11-14 22:13 UTC",
            "ask its operator for a new one",
        ],
    );
    scene
        .operator(&["invitations"])
        .says(0, &["bank-a", "expired since 2023-11-14"]);

    // A name whose invitation is over can be invited again; the old line is worth nothing then.
    let newer = scene.invite("bank-a", &[]);
    enrol(&invitation, "a").says(1, &["no such invitation"]);
    scene
        .operator(&["invite", "bank-a"])
        .says(2, &["has an invitation already (invited)"]);
    scene
        .operator(&["invite", "--withdraw", "bank-a"])
        .says(0, &["taken back"]);
    enrol(&newer, "a").says(1, &["took this invitation back"]);

    let refused = scene.invite("bank-b", &[]);
    enrol(&refused, "b").says(75, &[]);
    scene
        .operator(&["refuse", "bank-b", "wrong person on the phone"])
        .says(0, &["is refused"]);
    enrol(&refused, "b").says(1, &["the operator refused these keys: wrong person on the phone"]);
    scene
        .operator(&["approve", "bank-b"])
        .says(2, &["is refused; invite it again"]);
    scene
        .operator(&["approve", "bank-z"])
        .says(2, &["was not invited"]);
    scene
        .operator(&["refuse", "bank-b", "once more"])
        .says(2, &["no request that waits"]);

    // The checksum is right, the secret is nobody's.
    let other = Scene::new();
    other.invite("bank-a", &[]);
    let mut forged =
        veilsum_protocol::enrolment::Invitation::from_text(&scene.invite("bank-c", &[])).unwrap();
    forged.secret = veilsum_protocol::crypto::secret::Secret::from_bytes([7; 32]);
    enrol(&forged.to_text(), "c").says(1, &["no such invitation"]);
}

#[test]
fn damaged_foreign_and_misplaced_invitations_are_told_before_anything_is_said() {
    let scene = Scene::new();
    let invitation = scene.invite("bank-a", &[]);
    let enrol = |invitation: &str, dir: &str| scene.client(&["enrol", invitation, "--dir", dir, "--no-wait"]);
    let cut = &invitation[..invitation.len() - 3];
    enrol(cut, "a").says(2, &["the invitation is damaged", "copy it again"]);
    enrol("hello", "a").says(2, &["not an invitation"]);
    enrol(&invitation.replace("veilsum1_", "veilsum9_"), "a").says(2, &["another version"]);
    scene
        .auditor(&["enrol", &invitation, "--dir", "f", "--no-wait"])
        .says(
            2,
            &["this invitation is for bank \"bank-a\"", "veilsum-client enrol"],
        );
    let auditors = scene.invite("firm", &["--role", "auditor"]);
    enrol(&auditors, "a").says(2, &["for auditor \"firm\"", "veilsum-auditor enrol"]);
    assert!(!scene.path("a").exists() && !scene.path("f").exists());
    // Nobody is there.
    enrol(&invitation, "a").says(75, &["cannot reach 127.0.0.1:", "over TCP"]);
    // Somebody else is there.
    scene.init("other");
    let stranger = scene.start(&scene.programs.coordinator, &["run", "--dir", "other"]);
    stranger.says("no roster yet");
    enrol(&invitation, "a").says(
        2,
        &["of another authority", "the invitation is for another consortium"],
    );
    assert!(!stranger.stderr().contains("is refused"), "{}", stranger.stderr());
    // The folder is another bank's.
    let other = scene.invite("bank-b", &[]);
    enrol(&other, "a").says(2, &["this folder is of bank \"bank-a\"", "choose another --dir"]);
}

#[test]
fn names_that_exist_and_arguments_out_of_range_are_refused() {
    let scene = Scene::new();
    scene
        .operator(&["invite", "Bank A"])
        .says(2, &["bank name \"Bank A\""]);
    scene.operator(&["invite", "../x"]).says(2, &["bank name"]);
    scene
        .operator(&["invite", "a", "--expires-hours", "0"])
        .says(2, &["--expires-hours: 0, expected 1 to 2160"]);
    scene
        .operator(&["invite", "a", "--days", "9999"])
        .says(2, &["--days: 9999"]);
    scene.invite("bank-a", &[]);
    scene
        .operator(&["invite", "bank-a", "--role", "auditor"])
        .says(2, &["has an invitation already"]);
    scene
        .operator(&["invite", "--withdraw", "nobody"])
        .says(2, &["was not invited"]);
    scene.operator(&["requests"]).says(0, &["no request waits"]);
}

#[test]
fn without_the_authoritys_key_a_request_waits_for_it_and_goes_on() {
    let scene = Scene::new();
    let _daemon = scene.daemon();
    let key = scene.path("coordinator/identity/ca.key.pem");
    let away = scene.path("ca.key.pem");
    fs::rename(&key, &away).unwrap();
    let invitation = scene.invite("bank-a", &["--approved"]);
    let enrol = || scene.client(&["enrol", &invitation, "--dir", "a", "--no-wait"]);
    enrol().says(
        75,
        &["the authority's key: the operator runs `veilsum-coordinator approve`"],
    );
    scene
        .operator(&["requests"])
        .says(0, &["bank-a", "approved by its invitation"]);
    scene
        .operator(&["approve", "bank-a"])
        .says(2, &["ca.key.pem", "put the authority's key back there"]);
    fs::rename(&away, &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    scene
        .operator(&["approve", "bank-a"])
        .says(2, &["ca.key.pem: mode 0640", "chmod 600"]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    scene.operator(&["approve", "bank-a"]).says(0, &["is approved"]);
    fs::rename(&key, &away).unwrap();
    enrol().says(75, &["the certificate is here", "waiting for the roster"]);
}
