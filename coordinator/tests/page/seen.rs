//! The page as a browser shows it, and what can be done there.

use serde_json::json;
use veilsum_coordinator::engine::status::RoundStatus;
use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_protocol::wire::refusal::RefusalReason;

use crate::browser::{Browser, probe::holds};
use crate::scene::{Scene, task};
use crate::world::{create, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_page_of_a_trained_consortium_is_whole_at_every_size_and_asks_nobody_else() {
    let scene = Scene::trained(8).await;
    let (port, link) = (scene.port, scene.link());
    let look = move || {
        let browser = Browser::start();
        browser.size(1280, 900);
        browser.media("", "light");
        browser.open(&link);
        assert_eq!(browser.eval("location.pathname + location.search"), "/");
        holds(&browser, "desktop");
        let text = browser.eval("document.body.innerText");
        let text = text.as_str().unwrap();
        for part in [
            "test/engine",
            "bank-1",
            "credit",
            "finished",
            "fraud",
            "AUC",
            "in the sum",
            "Key epoch",
            "published checkpoint",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(
            browser
                .eval("document.querySelectorAll('#curves svg').length")
                .as_u64()
                .unwrap()
                >= 2
        );
        let rows =
            browser.eval("[...document.querySelectorAll('#rounds tbody tr')].map((row) => row.innerText)");
        assert_eq!(rows.as_array().unwrap().len(), 10, "{rows}");
        assert_eq!(
            browser.eval("document.querySelectorAll('svg.strip rect.in-sum').length"),
            30
        );
        browser.picture("operator-light");
        browser.media("", "dark");
        browser.picture("operator-dark");
        browser.media("print", "light");
        browser.picture("operator-print");
        browser.media("", "light");
        browser.size(390, 844);
        holds(&browser, "phone");
        browser.picture("operator-phone");
        let hash = browser.eval("document.querySelector('#tasks article h3 a').getAttribute('href')");
        for (name, path) in [
            ("task", hash.as_str().unwrap().to_owned()),
            ("stop", format!("{}/stop", hash.as_str().unwrap())),
            ("new", "/task/new".to_owned()),
        ] {
            browser.open(&format!("http://127.0.0.1:{port}{path}"));
            holds(&browser, name);
            browser.picture(&format!("operator-{name}-phone"));
        }
        assert_eq!(*browser.complaints.borrow(), Vec::<String>::new());
        let own = format!("http://127.0.0.1:{port}/");
        for url in browser.requested.borrow().iter() {
            assert!(
                url.starts_with(&own) || url == "about:blank",
                "{url} was asked for"
            );
        }
        // And who is not let in is told how to come in.
        browser.open(&format!("http://localhost:{port}/"));
        assert!(
            browser
                .eval("document.body.innerText")
                .as_str()
                .unwrap()
                .contains("veilsum-coordinator page")
        );
        holds(&browser, "stranger");
    };
    tokio::task::spawn_blocking(look).await.unwrap();
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_task_is_paused_by_keyboard_after_a_question_and_the_page_follows_what_happens() {
    let scene = Scene::at_rest(4_000_000_000).await;
    let hash = create(&scene.office, &task("credit", 4)).await.unwrap().to_hex();
    let (link, at) = (scene.link(), hash.clone());
    let look = move || {
        let browser = Browser::start();
        browser.size(1000, 800);
        browser.open(&link);
        // Every stop on the way of the Tab key is named and can be seen.
        let mut stops = Vec::new();
        for _ in 0..40 {
            browser.key("Tab", 9);
            let stop = browser.eval(
                "(() => { const at = document.activeElement; if (at === document.body) return null; const style = getComputedStyle(at); \
                 return [at.id || at.textContent.trim() || at.ariaLabel, style.outlineStyle !== 'none' && style.outlineWidth !== '0px']; })()",
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
        let place = |wanted: &str| {
            stops
                .iter()
                .position(|stop| stop.contains(wanted))
                .unwrap_or_else(|| panic!("{wanted}: {stops:?}"))
        };
        let (new, pause, stop, out) = (
            place("new-task"),
            place("pause-"),
            place("stop-"),
            place("Log this browser out"),
        );
        assert!(new < pause && pause < stop && stop < out, "{stops:?}");

        // The question is a dialog, in which the focus is on what does nothing.
        browser.eval(&format!("document.getElementById('pause-{at}').focus()"));
        browser.key("Enter", 13);
        browser.until("document.getElementById('ask').open");
        assert_eq!(browser.eval("document.activeElement.textContent"), "Cancel");
        assert_eq!(browser.eval("document.getElementById(document.getElementById('ask').getAttribute('aria-labelledby')).textContent"), "Pause task credit?");
        browser.picture("operator-dialog");
        browser.key("Escape", 27);
        browser.until("!document.getElementById('ask').open");
        browser.until(&format!("document.activeElement.id === 'pause-{at}'"));
        browser.key("Enter", 13);
        browser.until("document.getElementById('ask').open");
        browser.eval("document.querySelector('#ask button[type=submit]').focus()");
        browser.key("Enter", 13);
        browser.until(
            "document.querySelector('main > .notice[role=status]')?.textContent === 'The task is paused.'",
        );
        browser.until(&format!("document.getElementById('resume-{at}') !== null"));
        browser
    };
    let browser = tokio::task::spawn_blocking(look).await.unwrap();
    assert_eq!(scene.status().await.tasks[0].status, TaskStatus::Paused);

    // What happens elsewhere comes by itself, and takes the focus from nobody.
    let at = hash.clone();
    let browser = tokio::task::spawn_blocking(move || {
        browser.eval(&format!("document.getElementById('resume-{at}').focus()"));
        browser
    })
    .await
    .unwrap();
    create(&scene.office, &task("fraud", 3)).await.unwrap();
    let at = hash.clone();
    let browser = tokio::task::spawn_blocking(move || {
        browser.until(
            "[...document.querySelectorAll('#tasks h3')].some((head) => head.textContent === 'fraud')",
        );
        assert_eq!(browser.eval("document.activeElement.id"), format!("resume-{at}"));
        browser
    })
    .await
    .unwrap();
    let banks = scene.world.join_all(&scene.office, scene.world.banks()).await;
    wait_for(&scene.office, |status| {
        status.tasks[1].status == TaskStatus::Finished
    })
    .await;
    let at = hash.clone();
    let browser = tokio::task::spawn_blocking(move || {
        browser.until("document.querySelectorAll('#rounds tbody tr').length >= 4");
        browser.until("document.querySelector('#banks').textContent.includes('connected')");
        // A phase, or the result where the rounds are over before they are looked at.
        browser.until("/^(Round \\d+, phase|No round is open. Last result: round \\d)/.test(document.getElementById('said').textContent)");
        assert_eq!(*browser.complaints.borrow(), Vec::<String>::new());
        // Without a script the question is a page of its own.
        browser.scripts(false);
        browser.say("Page.reload", json!({}));
        let page = |browser: &Browser| {
            let root = browser.try_say("DOM.getDocument", json!({ "depth": 0 }));
            let node = json!({ "nodeId": root["result"]["root"]["nodeId"] });
            // The document may have made room for the next one meanwhile.
            let html = browser.try_say("DOM.getOuterHTML", node);
            html["result"]["outerHTML"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !page(&browser).contains("http-equiv=\"refresh\"") {
            assert!(
                std::time::Instant::now() < deadline,
                "the page without scripts loads itself again"
            );
        }
        browser.scripts(true);
        browser.open(&format!(
            "{}task/{at}/resume",
            browser.eval("location.origin + '/'").as_str().unwrap()
        ));
        browser.eval("document.querySelector('#confirm button[type=submit]').click()");
        browser.until("document.querySelector('main > .notice')?.textContent === 'The task is resumed.'");
        browser
    })
    .await
    .unwrap();
    wait_for(&scene.office, |status| {
        status.tasks[0].status == TaskStatus::Finished
    })
    .await;
    drop(browser);
    scene.end().await;
    crate::world::back(banks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_open_round_names_whom_it_waits_for_and_counts_the_seconds_down() {
    let mut scene = Scene::at_rest(4_000_000_000).await;
    let text = task("credit", 4).replace("collect_s = 5", "collect_s = 500");
    create(&scene.office, &text).await.unwrap();
    // It computes and never uploads, and its connection stands.
    scene.join(|banks| banks[2].trouble.loses_uploads = true).await;
    wait_for(&scene.office, |status| {
        let collects = |round: &RoundStatus| round.phase == "collect" && round.heard_from == 2;
        status.round.as_ref().is_some_and(collects)
    })
    .await;
    let link = scene.link();
    let look = move || {
        let browser = Browser::start();
        browser.size(390, 844);
        browser.media("", "light");
        browser.open(&link);
        holds(&browser, "open round");
        let text = browser.eval("document.getElementById('now').innerText");
        let text = text.as_str().unwrap();
        for part in [
            "Round 1",
            "Step 1 of 6 of task credit",
            "2 of 3 have answered",
            "Waiting for bank-3",
            " s left",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert_eq!(
            browser.eval("document.querySelector('[aria-current=step]').textContent"),
            "collect"
        );
        browser.picture("operator-open-phone");
        browser.size(1280, 900);
        browser.picture("operator-open");
        let left =
            "Number(document.querySelector('#now [data-until]').textContent.match(/(\\d+) s left/)[1])";
        let before = browser.eval(left).as_u64().unwrap();
        browser.until(&format!("{left} < {before}"));
        assert_eq!(*browser.complaints.borrow(), Vec::<String>::new());
    };
    tokio::task::spawn_blocking(look).await.unwrap();
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_refuses_a_task_and_what_the_banks_say_to_a_proposed_roster_is_seen() {
    let mut scene = Scene::at_rest(4_000_000_000).await;
    create(&scene.office, &task("credit", 4)).await.unwrap();
    let prepare = |banks: &mut Vec<crate::bank::Bank>| {
        banks[1].trouble.loses = Some(|message| {
            use veilsum_protocol::wire::message::ToCoordinator;
            matches!(
                message,
                ToCoordinator::Approval(_) | ToCoordinator::RosterApproval(_)
            )
        });
        banks[2].refuses = Some(RefusalReason::Columns);
        banks[2].refuses_rosters = true;
    };
    scene.join(prepare).await;
    let stands = wait_for(&scene.office, |status| {
        status.epoch.is_some() && status.tasks[0].out_of_reach && status.tasks[0].approved.len() == 1
    })
    .await;
    assert!(stands.proposal.is_none());
    let (port, link) = (scene.port, scene.link());
    let browser = tokio::task::spawn_blocking(move || {
        let browser = Browser::start();
        browser.size(1280, 900);
        browser.media("", "light");
        browser.open(&link);
        let text = browser.eval("document.getElementById('roster').innerText");
        assert!(
            text.as_str()
                .unwrap()
                .contains("3 banks, and no change is proposed"),
            "{text}"
        );
        browser
    })
    .await
    .unwrap();
    crate::world::propose(&scene.office, &[4], &[]).await.unwrap();
    wait_for(&scene.office, |status| {
        let proposal = status.proposal.as_ref();
        proposal.is_some_and(|proposal| proposal.approved == ["bank-1"] && proposal.refused == ["bank-3"])
    })
    .await;
    let look = move || {
        // It comes by itself.
        browser.until("document.getElementById('roster').innerText.includes('bank-3: refused')");
        let text = browser.eval("document.body.innerText");
        let text = text.as_str().unwrap();
        for part in [
            "Approved by 1 of 3 banks; nothing said yet by bank-2.",
            "bank-3 refused it (for the columns).",
            "no round of it can begin",
            "From 3 banks to 4",
            "bank-4",
            "bank-1: approved",
            "bank-2: not answered yet",
            "bank-3: refused",
            "the approval of bank-2, bank-3",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        holds(&browser, "desktop");
        browser.picture("operator-consent-light");
        browser.media("", "dark");
        browser.picture("operator-consent-dark");
        browser.media("", "light");
        browser.size(390, 844);
        holds(&browser, "phone");
        browser.picture("operator-consent-phone");
        let path = browser.eval("document.querySelector('#tasks article h3 a').getAttribute('href')");
        browser.open(&format!("http://127.0.0.1:{port}{}", path.as_str().unwrap()));
        holds(&browser, "task");
        let text = browser.eval("document.querySelector('ul.names').innerText");
        let text = text.as_str().unwrap();
        for part in ["bank-2: nothing said yet", "bank-3: refused (for the columns)"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        browser.picture("operator-consent-task-phone");
        assert_eq!(*browser.complaints.borrow(), Vec::<String>::new());
    };
    tokio::task::spawn_blocking(look).await.unwrap();
    scene.end().await;
}
