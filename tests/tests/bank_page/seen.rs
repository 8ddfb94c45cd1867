//! The page as a browser shows it.

use veilsum_client::participant::{Home, RoundHistory};
use veilsum_tests::browser::Browser;
use veilsum_tests::browser::probe::holds;

use crate::scene::{BANK, CELL, Scene};

#[test]
fn the_page_is_whole_at_every_size_follows_by_itself_and_asks_nobody_else() {
    let scene = Scene::start();
    let hash = scene.offer("credit", 8, &[]).to_hex();
    scene.finished();
    let (port, link) = scene.link();
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.media("", "light");
    browser.open(&link);
    browser.until("document.querySelector('#data table') !== null");
    holds(&browser, "desktop");
    let text = browser.eval("document.body.innerText");
    let text = text.as_str().unwrap();
    for part in [
        BANK,
        "credit",
        "finished",
        "AUC",
        "This bank",
        "All banks",
        "Importance of columns",
        "masked-vector",
        "in the sum",
        "income",
        "north",
        "80 rows",
        "Nothing on this page is sent to the coordinator",
    ] {
        assert!(text.contains(part) || part == "north", "{part} is not in {text}");
    }
    // The account on the page is the one on disk, to the byte.
    let state = scene.consortium.bank_folder(BANK).join("state");
    let left = "[...document.querySelectorAll('#left details tbody td:nth-child(2)')].map((cell) => Number(cell.textContent.replace(/\\D/g, ''))).reduce((a, b) => a + b, 0)";
    let shown = browser.eval(left).as_u64().unwrap();
    let account = veilsum_client::egress::Ledger::read(&Home::egress(&state)).unwrap();
    assert!(shown > 0 && shown <= account.totals.sum().bytes, "{shown}");
    // Own score and consortium's: the same model, on other rows.
    let rounds = RoundHistory::read(&Home::history(&state)).unwrap();
    let judged: Vec<_> = rounds
        .iter()
        .filter_map(|round| Some((round.own.as_ref()?, round.all.as_ref()?)))
        .collect();
    assert!(judged.len() >= 8, "{rounds:?}");
    for (own, all) in judged {
        assert!(own.rows > 0 && own.rows < all.rows, "{own:?} {all:?}");
        assert_eq!(
            own.figures.keys().collect::<Vec<_>>(),
            all.figures.keys().collect::<Vec<_>>()
        );
    }
    assert!(
        browser
            .eval("document.querySelectorAll('#scores svg').length")
            .as_u64()
            .unwrap()
            >= 3
    );
    browser.picture("bank-light");
    browser.media("", "dark");
    browser.picture("bank-dark");
    browser.media("print", "light");
    browser.picture("bank-print");
    browser.media("", "light");
    browser.size(390, 844);
    holds(&browser, "phone");
    browser.picture("bank-phone");
    for (name, path) in [
        ("data", "/data".to_owned()),
        ("left", "/left".to_owned()),
        ("task", format!("/task/{hash}")),
    ] {
        browser.open(&format!("http://127.0.0.1:{port}{path}"));
        holds(&browser, name);
        browser.picture(&format!("bank-{name}-phone"));
    }
    browser.size(1280, 900);
    browser.open(&format!("http://127.0.0.1:{port}/data"));
    holds(&browser, "data on a desktop");
    browser.picture("bank-data");
    let text = browser.eval("document.body.innerText");
    assert!(
        text.as_str().unwrap().contains(CELL),
        "the table is the bank's own"
    );

    // Every stop on the way of the Tab key is named and can be seen.
    browser.open(&format!("http://127.0.0.1:{port}/"));
    browser.until("document.querySelector('#data table') !== null");
    let mut stops = Vec::new();
    for _ in 0..60 {
        browser.key("Tab", 9);
        let stop = browser.eval(
            "(() => { const at = document.activeElement; if (at === document.body) return null; const style = getComputedStyle(at); \
             return [at.ariaLabel || at.textContent.trim(), style.outlineStyle !== 'none' && style.outlineWidth !== '0px']; })()",
        );
        if stop.is_null() {
            break;
        }
        assert_eq!(stop[1], true, "{stop} is not seen to have the focus");
        stops.push(stop[0].as_str().unwrap().to_owned());
        if stops
            .last()
            .is_some_and(|stop| stop.contains("Log this browser out"))
        {
            break;
        }
    }
    assert_eq!(stops[0], "Skip to the content");
    assert!(
        stops.last().unwrap().contains("Log this browser out"),
        "{stops:?}"
    );

    // A section that is replaced keeps the focus, and what was closed, also where no id tells it.
    let summary = "document.querySelector('#left summary')";
    browser.eval(&format!(
        "(() => {{ window.before = {summary}; before.focus(); before.click(); }})()"
    ));
    assert_eq!(
        browser.eval("document.activeElement === before && !before.parentElement.open"),
        true
    );

    // What happens comes by itself: a new task that this bank has not approved, and the word of it.
    let second = scene.offer("fraud", 4, &[BANK, "bank-2", "bank-3"]).to_hex();
    browser.until("[...document.querySelectorAll('#tasks h3')].some((head) => head.textContent === 'fraud')");
    let way = browser.eval(&format!(
        "document.getElementById('decide-{second}').getAttribute('href')"
    ));
    assert_eq!(way, format!("/task/{second}"));
    browser.until("document.getElementById('said').textContent.includes('Task fraud waits for your word')");
    for bank in [BANK, "bank-2", "bank-3"] {
        scene.approve(bank, "fraud");
    }
    browser.until("document.querySelector('#scores').textContent.includes('fraud')");
    browser.until("document.getElementById('said').textContent !== ''");
    scene.finished();
    browser.until(&format!("{summary} !== before"));
    let kept = format!("document.activeElement === {summary} && !{summary}.parentElement.open");
    assert_eq!(browser.eval(&kept), true);
    // And so does a break.
    scene.consortium.kill_coordinator();
    browser
        .until("/next attempt in \\d+ s|trying again now/i.test(document.querySelector('#now').textContent)");
    browser.picture("bank-no-connection");
    assert_eq!(*browser.complaints.borrow(), Vec::<String>::new());
    let own = format!("http://127.0.0.1:{port}/");
    for url in browser.requested.borrow().iter() {
        assert!(
            url.starts_with(&own) || url == "about:blank",
            "{url} was asked for"
        );
    }
    browser.open(&format!("http://localhost:{port}/"));
    let text = browser.eval("document.body.innerText");
    assert!(text.as_str().unwrap().contains("veilsum-client page"), "{text}");
    holds(&browser, "stranger");
    scene.consortium.stop();
}
