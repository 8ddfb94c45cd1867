//! A real browser reads the page: headless Chromium, which `scripts/test-all` demands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{page, year};
use crate::rounds::story;

/// The browser. That there is none is a failure: a page that nobody opened was not tested.
fn chromium() -> &'static str {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
        .expect("found no chromium; install it (Debian: apt install chromium) and run the tests again")
}

fn browse(profile: &Path, page: &Path, arguments: &[&str]) -> String {
    let output = Command::new(chromium())
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The page in a folder; with `VEILSUM_PAGES` it is kept there, for people to look at.
fn kept(folder: &Path, name: &str, text: &str) -> PathBuf {
    let folder = std::env::var_os("VEILSUM_PAGES").map_or(folder.to_owned(), PathBuf::from);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

#[test]
fn a_browser_reads_the_page_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let text = page(&year(), true);
    let path = kept(folder.path(), "year.html", &text);
    let dom = browse(&folder.path().join("profile"), &path, &["--dump-dom"]);
    // The parser moved, closed and dropped nothing.
    for tag in [
        "<table", "<caption", "<svg", "<rect", "<tr", "<th", "<td", "<h2", "<h3", "<details", "<figure",
    ] {
        assert_eq!(count(&dom, tag), count(&text, tag), "{tag}");
    }
    // Every picture has its words, and every table its caption.
    assert_eq!(count(&dom, "<svg"), count(&dom, "role=\"img\""));
    assert_eq!(count(&dom, "<svg"), count(&dom, "<desc"));
    assert_eq!(count(&dom, "<table"), count(&dom, "<caption"));
    assert_eq!(count(&dom, "<h1"), 1);
    // Nothing is fetched.
    for outside in [
        "http://", "https://", "src=", "<link", "<script", "@import", "url(",
    ] {
        let namespace = "http://www.w3.org/2000/svg";
        assert!(!dom.replace(namespace, "").contains(outside), "{outside}");
    }
}

#[test]
fn nothing_sticks_out_at_the_width_of_a_phone_and_every_reference_leads_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut failing = story();
    failing.files.retain(|path, _| !path.ends_with("3.json"));
    for (name, text) in [
        ("phone.html", page(&year(), true)),
        ("failing.html", page(&failing, true)),
    ] {
        kept(folder.path(), name, &text);
        // A probe that the page itself would not let run stands in a copy without its policy.
        let probe = "<script>addEventListener('load', () => { \
            const out = [...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, .skip, .spoken, svg, details:not([open])') \
                && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className); \
            const ids = [...document.querySelectorAll('[id]')].map(e => e.id); \
            const dead = [...document.querySelectorAll('[aria-labelledby]')].flatMap(e => e.getAttribute('aria-labelledby').split(' ')) \
                .concat([...document.querySelectorAll('a')].map(a => a.hash.slice(1))).filter(id => !document.getElementById(id)); \
            document.title = JSON.stringify({ width: innerWidth, out, twice: ids.length - new Set(ids).size, dead }); });</script>";
        let open = text.replacen("http-equiv=\"Content-Security-Policy\"", "name=\"policy\"", 1);
        // Chromium has no windows as narrow as a phone: a frame has.
        let inner = folder.path().join("inner.html");
        fs::write(&inner, open.replacen("</body>", &format!("{probe}</body>"), 1)).unwrap();
        let frame = folder.path().join("frame.html");
        fs::write(
            &frame,
            "<!DOCTYPE html><iframe id=f src=inner.html style='width:390px;height:844px;border:0'></iframe><p id=said></p>\
             <script>f.onload = () => { said.textContent = f.contentDocument.title; };</script>",
        )
        .unwrap();
        let dom = browse(
            &folder.path().join("profile"),
            &frame,
            &[
                "--allow-file-access-from-files",
                "--virtual-time-budget=10000",
                "--dump-dom",
            ],
        );
        let said = dom
            .split("id=\"said\">")
            .nth(1)
            .and_then(|rest| rest.split("</p>").next())
            .unwrap();
        let said: serde_json::Value = serde_json::from_str(said).unwrap_or_else(|_| panic!("{said:?}"));
        let expected = serde_json::json!({ "width": 390, "out": [], "twice": 0, "dead": [] });
        assert_eq!(said, expected, "{name}");
    }
}
