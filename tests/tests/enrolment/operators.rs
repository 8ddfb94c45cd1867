//! An operator on another machine: from the invitation to the page in a browser.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::scene::{PATIENCE, Scene, eventually, free_tcp};

/// One request over a connection of its own, and its whole answer; nothing if the connection was closed without one.
fn get(address: SocketAddr, path: &str, cookie: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A connection that is cut off ends with an error or without, as it comes.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn line<'a>(answer: &'a str, name: &str) -> &'a str {
    let found = answer.lines().find_map(|line| line.strip_prefix(name));
    found.unwrap_or_else(|| panic!("no {name} in {answer}"))
}

#[test]
fn an_operator_elsewhere_has_the_page_until_the_access_is_taken_away() {
    let scene = Scene::new();
    scene.three_banks();
    let door = free_tcp();
    scene.set("secure_listen", &door.to_string());
    let daemon = scene.start(&scene.programs.coordinator, &["run", "--dir", "coordinator"]);
    daemon.says("operators on other machines have the page at");
    daemon.says("serves 3 banks of test");

    let invitation = scene.invite("anna", &["--role", "operator"]);
    scene.client(&["enrol", &invitation, "--dir", "bank"]).says(
        2,
        &["is for operator \"anna\"", "veilsum-coordinator operator enrol"],
    );
    let operator = |words: &[&str]| scene.run(&scene.programs.coordinator, &[&["operator"], words].concat());
    let again = ["enrol", invitation.as_str(), "--dir", "anna", "--no-wait"];
    operator(&again).says(75, &["the operator's approval", "fingerprint"]);
    let requests = scene.listed("requests");
    assert_eq!(requests[0]["name"], "anna");
    assert_eq!(requests[0]["party"], "operator");
    scene
        .operator(&["approve", "anna"])
        .says(0, &["operator anna is approved"]);
    operator(&again).says(0, &["operator anna is enrolled in test"]);
    scene
        .operator(&["invite", "anna", "--role", "operator"])
        .says(2, &["is an operator in operators.toml already"]);

    // The banks' door is not this one, and says so.
    let banks = format!("127.0.0.1:{}", scene.port);
    operator(&["page", &banks, "--dir", "anna"]).says(2, &["another door", "operator.secure_listen"]);
    let page = scene.start(
        &scene.programs.coordinator,
        &["operator", "page", &door.to_string(), "--dir", "anna"],
    );
    let link = page.said_line("http://127.0.0.1:");
    let (host, path) = link.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let here: SocketAddr = host.parse().unwrap();
    assert!(
        get(here, "/", "").starts_with("HTTP/1.1 401 "),
        "without the link"
    );
    let entered = get(here, &format!("/{path}"), "");
    assert!(entered.starts_with("HTTP/1.1 303 "), "{entered}");
    let cookie = line(&entered, "set-cookie: ")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let shown = get(here, "/", &cookie);
    assert!(
        shown.starts_with("HTTP/1.1 200 ") && shown.contains("bank-2"),
        "{shown}"
    );

    // A page that stays open is cut off, too.
    let mut open = TcpStream::connect(here).unwrap();
    open.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let request = format!("GET /events HTTP/1.1\r\nHost: {here}\r\nCookie: {cookie}\r\n\r\n");
    open.write_all(request.as_bytes()).unwrap();
    let mut first = [0; 12];
    open.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    scene.operator(&["revoke", "anna"]).says(0, &["operator anna"]);
    let mut rest = Vec::new();
    // Ends, where it would go on for ever.
    open.read_to_end(&mut rest).unwrap();
    eventually("nobody is let in any more", || {
        get(here, "/", &cookie).is_empty().then_some(())
    });
    daemon.says("operator anna is cut off");
    operator(&["page", &door.to_string(), "--dir", "anna"]).says(
        1,
        &["the coordinator refuses", "took the access of operator anna away"],
    );
}
