//! The bank's word on tasks, said on its page by keyboard, and what the daemon and the coordinator make of it.

use std::fs;

use serde_json::json;
use veilsum_client::participant::{Part, TaskStatus};
use veilsum_coordinator::engine::tasks::TaskStatus as Progress;
use veilsum_protocol::wire::refusal::RefusalReason;
use veilsum_tests::browser::Browser;
use veilsum_tests::browser::probe::holds;

use crate::scene::{BANK, PATIENCE, Scene};

/// Stops that a page may have before the one that is looked for.
const MOST_STOPS: usize = 80;

/// Presses Tab until the element of that id has the focus, which can be seen at each stop.
fn tab_to(browser: &Browser, id: &str) {
    for _ in 0..MOST_STOPS {
        browser.key("Tab", 9);
        let stop = browser.eval(
            "(() => { const at = document.activeElement; const style = getComputedStyle(at); \
             return [at.id, at === document.body || (style.outlineStyle !== 'none' && style.outlineWidth !== '0px')]; })()",
        );
        assert_eq!(stop[1], true, "{stop} is not seen to have the focus");
        if stop[0] == id {
            return;
        }
    }
    panic!("the Tab key does not lead to {id}");
}

fn focused(browser: &Browser) -> String {
    let text = browser.eval("document.activeElement.textContent.trim()");
    text.as_str().unwrap().to_owned()
}

/// Of a page that is there to its end.
fn picture(browser: &Browser, name: &str) {
    browser.loaded();
    browser.picture(&format!("decide-{name}"));
}

/// In every form in which it is looked at.
fn pictures(browser: &Browser, name: &str) {
    picture(browser, &format!("{name}-light"));
    holds(browser, name);
    browser.media("", "dark");
    browser.picture(&format!("decide-{name}-dark"));
    browser.media("", "light");
    browser.size(390, 844);
    holds(browser, &format!("{name} on a phone"));
    browser.picture(&format!("decide-{name}-phone"));
    browser.size(1280, 900);
}

#[test]
fn one_task_is_approved_and_another_refused_by_keyboard_and_the_daemon_follows() {
    let scene = Scene::start();
    let credit = scene.offer("credit", 3, &[BANK]).to_hex();
    let fraud = scene.offer("fraud", 2, &[BANK]).to_hex();
    let (_, link) = scene.link();
    let browser = Browser::start();
    browser.size(1280, 900);
    browser.media("", "light");
    browser.open(&link);
    browser.until(&format!("document.getElementById('decide-{fraud}') !== null"));
    browser.until("document.querySelector('#data table') !== null");
    let waits = browser.eval("document.getElementById('now').innerText");
    assert!(
        waits
            .as_str()
            .unwrap()
            .contains("Task credit waits for your word."),
        "{waits}"
    );
    pictures(&browser, "waits");

    // A question is asked below what is decided on, and its first focus is on what does nothing.
    tab_to(&browser, &format!("decide-{credit}"));
    browser.key("Enter", 13);
    browser.until("document.getElementById('approve') !== null");
    let text = browser.eval("document.body.innerText");
    for part in [
        "What leaves the bank",
        "nothing in it speaks against this task",
        "has not decided",
    ] {
        assert!(
            text.as_str()
                .unwrap()
                .to_lowercase()
                .contains(&part.to_lowercase()),
            "{part} is not in {text}"
        );
    }
    pictures(&browser, "task");
    tab_to(&browser, "approve");
    browser.key("Enter", 13);
    browser.until("document.getElementById('ask').open");
    assert_eq!(focused(&browser), "Cancel");
    let named =
        "document.getElementById(document.getElementById('ask').getAttribute('aria-labelledby')).textContent";
    assert_eq!(
        browser.eval(named),
        format!("Approve task credit ({})?", &credit[..8])
    );
    pictures(&browser, "approve");
    browser.key("Escape", 27);
    browser.until("!document.getElementById('ask').open && document.activeElement.id === 'approve'");
    assert!(
        scene
            .until("the tasks", |status| !status.tasks.is_empty())
            .tasks
            .iter()
            .all(|task| !task.approved)
    );
    browser.key("Enter", 13);
    browser.until("document.getElementById('ask').open");
    browser.back_tab();
    assert_eq!(focused(&browser), "Approve the task");
    browser.key("Enter", 13);
    browser.until("document.querySelector('main > .notice[role=status]')?.textContent.startsWith('The task is approved.')");
    picture(&browser, "approved");
    // The daemon takes part: three banks are needed, and this one was missing.
    let part = scene.until("a sum with this bank", |status| {
        status.rounds.get(&Part::InSum) > Some(&0)
    });
    assert!(part.tasks.iter().any(|task| task.task == credit && task.approved));
    browser.until("document.querySelector('#rounds').textContent.includes('in the sum')");

    // A no, for a reason of the list.
    tab_to(&browser, &format!("decide-{fraud}"));
    browser.key("Enter", 13);
    browser.until("document.getElementById('refuse') !== null");
    tab_to(&browser, "refuse");
    browser.key("Enter", 13);
    browser.until("document.getElementById('ask').open");
    assert_eq!(focused(&browser), "Cancel");
    browser.back_tab();
    assert_eq!(focused(&browser), "Refuse the task");
    browser.back_tab();
    browser.key("ArrowDown", 40);
    browser.key("ArrowDown", 40);
    let chosen = "document.querySelector('#ask input[name=reason]:checked').value";
    assert_eq!(browser.eval(chosen), "columns");
    assert_eq!(
        browser.eval("document.activeElement.closest('label').textContent.trim()"),
        "For the columns"
    );
    pictures(&browser, "refuse");
    browser.key("Tab", 9);
    assert_eq!(focused(&browser), "Refuse the task");
    browser.key("Enter", 13);
    browser.until("document.querySelector('main > .notice[role=status]')?.textContent.startsWith('The task is refused.')");
    let heard = |wanted: &str| {
        let wanted = wanted.to_owned();
        scene.consortium.wait_for("the refusal", PATIENCE, move |status| {
            let task = status.tasks.iter().find(|task| task.task.to_hex() == wanted);
            task.is_some_and(|task| {
                task.refused
                    .iter()
                    .any(|no| no.bank == BANK && no.reason == RefusalReason::Columns)
            })
        })
    };
    heard(&fraud).unwrap();
    browser.until("document.querySelector('#tasks').textContent.includes('This bank refuses it')");
    picture(&browser, "refused");

    // The next version, beside the one that was approved; a word that is said elsewhere meanwhile is not overlooked.
    let is_over = |status: &veilsum_coordinator::engine::status::Status| {
        let known = status.tasks.iter().find(|task| task.name == "credit");
        known.is_some_and(|task| task.status == Progress::Finished)
    };
    scene
        .consortium
        .wait_for("the end of credit", PATIENCE, is_over)
        .unwrap();
    let next = scene.offer("credit", 5, &[BANK, "bank-2", "bank-3"]).to_hex();
    let is_next = |task: &TaskStatus| task.task == next;
    scene.until("the next version", |status| status.tasks.iter().any(is_next));
    assert_eq!(*browser.complaints.borrow(), Vec::<String>::new());
    let origin = browser.eval("location.origin");
    let open = |browser: &Browser| browser.open(&format!("{}/task/{next}", origin.as_str().unwrap()));
    open(&browser);
    let text = browser.eval("document.body.innerText");
    for part in ["which you approved", "training rounds: 3 -> 5", "nothing changes"] {
        assert!(text.as_str().unwrap().contains(part), "{part} is not in {text}");
    }
    pictures(&browser, "changes");
    let refused = scene.client(&["task", "refuse", "--yes", "--reason", "length", &next]);
    assert!(
        refused.status.success(),
        "{}",
        String::from_utf8_lossy(&refused.stderr)
    );
    browser.eval("document.getElementById('approve').focus()");
    browser.key("Enter", 13);
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('has changed since this page was shown; look again')");
    pictures(&browser, "changed");

    // Without a script the question is a page of its own.
    open(&browser);
    let way = browser.eval("document.getElementById('approve').getAttribute('href')");
    browser.scripts(false);
    browser.say(
        "Page.navigate",
        json!({ "url": format!("{}{}", origin.as_str().unwrap(), way.as_str().unwrap()) }),
    );
    browser.scripts(true);
    browser.until("document.querySelector('main #confirm') !== null && document.readyState === 'complete'");
    holds(&browser, "the question alone");
    picture(&browser, "question");
    browser.eval("document.querySelector('#confirm button[type=submit]').click()");
    browser.until("document.querySelector('main > .notice[role=status]')?.textContent.startsWith('The task is approved.')");
    scene.until("the approval of the next version", |status| {
        status.tasks.iter().any(|task| is_next(task) && task.approved)
    });
    // A limit of the policy is above that: the page names it, and no yes is offered.
    let policy = scene.consortium.bank_folder(BANK).join("policy.toml");
    fs::write(policy, "[limits]\nmax_rounds = 4\nhours = [\"00:00-24:00\"]\n").unwrap();
    scene.until("the policy's no", |status| {
        status
            .tasks
            .iter()
            .any(|task| is_next(task) && task.refused.is_some())
    });
    open(&browser);
    let text = browser.eval("document.getElementById('main').innerText");
    let limit = "max_rounds: found 5 training rounds, expected at most 4";
    assert!(text.as_str().unwrap().contains(limit), "{text}");
    assert_eq!(browser.eval("document.getElementById('approve')"), json!(null));
    pictures(&browser, "beyond");
    scene.consortium.stop();
}
