//! The server's page in a browser: a request is tried, and its row explained.

use veilsum_tests::browser::Browser;
use veilsum_tests::browser::probe::holds;

use crate::http::{Served, proven};
use crate::scene::Scene;

#[test]
fn a_person_tries_a_request_and_sees_why_the_score_is_what_it_is() {
    let scene = Scene::enrolled(2, 60);
    scene.run();
    proven(&scene, 4);
    scene.finish();
    let served = Served::start(&scene, "bank-1");
    served.says("version 4 is in service");
    let browser = Browser::start();
    browser.size(1100, 900);
    browser.open(&format!("http://{}/", served.address));
    holds(&browser, "models");
    browser.eval(
        r#"document.querySelector("textarea").value = '{"explain":{"threshold":0.3},"inputs":[{"name":"income","datatype":"FP64","shape":[1],"data":[120]},{"name":"home","datatype":"BYTES","shape":[1],"data":["rent"]}]}'"#,
    );
    browser.eval(r#"document.querySelector("button[value=explain]").click()"#);
    browser.until(r#"document.querySelector(".said").textContent === "Answered.""#);
    let shown = browser.eval(r#"document.querySelector(".why").innerText"#);
    let shown = shown.as_str().unwrap();
    for part in [
        "Row 1: score 0.",
        "income = 120",
        "home = rent",
        "Reasons",
        "What would have to be otherwise",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(
        browser.eval(r#"document.querySelectorAll(".why svg rect").length"#),
        2
    );
    browser.picture("serving-explained");
    browser.size(390, 844);
    holds(&browser, "models on a phone");
    browser.media("", "dark");
    browser.picture("serving-explained-phone");
    assert_eq!(*browser.complaints.borrow(), Vec::<String>::new());
    // Scores take nothing that is for explanations, and say so; the pictures go.
    browser.eval(r#"document.querySelector("button[value=infer]").click()"#);
    browser.until(r#"document.querySelector(".said").textContent === "Refused:""#);
    let said = browser.eval(r#"document.querySelector("pre").textContent"#);
    assert!(said.as_str().unwrap().contains("ends in /explain"), "{said}");
    assert_eq!(browser.eval(r#"document.querySelector(".why").hidden"#), true);
    assert_eq!(served.stop(), Some(0));
}
