//! Who gets what, over every route that there is; health, readiness and metrics.

use veilsum_client::page::{ROUTES, Role};
use veilsum_client::participant::{Decision, Home};
use veilsum_tests::browser::http::{enter, request, token};

use crate::scene::{BANK, CELL, Scene};

#[test]
fn every_route_asks_for_its_role_and_nothing_open_tells_of_the_rows() {
    let scene = Scene::start();
    let offered = scene.offer("credit", 3, &[]);
    let hash = offered.to_hex();
    scene.finished();
    let (port, link) = scene.link();
    let cookie = enter(port, &link);
    let path = link.split_once(&format!(":{port}")).unwrap().1;
    assert_eq!(request(port, "GET", path, &[], "").status, 401, "a second time");
    let origin = format!("http://127.0.0.1:{port}");
    let page = request(port, "GET", "/", &[("cookie", &cookie)], "");
    let form = format!("token={}", token(&page.body));
    for route in ROUTES {
        let path = route.path.replace("{task}", &hash);
        let name = format!("{} {path}", route.method);
        let ask = |headers: &[(&str, &str)], body: &str| request(port, route.method, &path, headers, body);
        let own = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
        // A stranger, as another user of the machine is.
        let stranger = ask(&[("origin", &origin)], &form);
        match route.role {
            Role::Operator => assert_eq!(stranger.status, 401, "{name}"),
            Role::None if path == "/login" => assert_eq!(stranger.status, 401, "{name} without a word"),
            Role::None => assert_eq!(stranger.status, 200, "{name}"),
        }
        assert!(!stranger.body.contains(CELL), "{name}");
        assert_eq!(
            ask(&[("host", "evil.example"), own[0], own[1]], &form).status,
            421,
            "{name}"
        );
        let policy = &stranger.headers["content-security-policy"];
        assert!(
            policy.contains("default-src 'none'")
                && policy.contains("frame-ancestors 'none'")
                && !policy.contains("unsafe"),
            "{name}"
        );
        assert_eq!(stranger.headers["cache-control"], "no-store", "{name}");
        if route.method == "GET" {
            let expected = if path == "/login" { 401 } else { 200 };
            assert_eq!(ask(&own[..1], "").status, expected, "{name}");
            let is_form = ROUTES
                .iter()
                .any(|other| (other.method, other.path) == ("POST", route.path));
            if !is_form {
                assert_eq!(request(port, "POST", &path, &own, &form).status, 405, "{name}");
            }
            continue;
        }
        for foreign in [&[own[0], ("origin", "https://evil.example")][..], &own[..1]] {
            assert_eq!(ask(foreign, &form).status, 403, "{name} {foreign:?}");
        }
        assert_eq!(ask(&own, "token=00").status, 403, "{name}");
    }
    // None of that did anything.
    let tasks = Home::tasks(&scene.consortium.bank_folder(BANK).join("state")).unwrap();
    assert_eq!(tasks.decision(&offered).unwrap(), Some(Decision::Approved));
    let unknown = format!("/task/{}", "ab".repeat(32));
    assert_eq!(
        request(port, "GET", &unknown, &[("cookie", &cookie)], "").status,
        404
    );

    let open = |path: &str| {
        let answer = request(port, "GET", path, &[], "");
        (answer.status, answer.body)
    };
    assert_eq!(open("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(open("/readyz"), (200, "ready\n".to_owned()));
    let (_, metrics) = open("/metrics");
    for line in [
        "veilsum_client_data_usable 1",
        "veilsum_client_task_approved{task=\"credit\"} 1",
        "veilsum_client_egress_unwritten 0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
    let left = metrics
        .lines()
        .find_map(|line| line.strip_prefix("veilsum_client_egress_bytes_total{kind=\"masked-vector\"} "));
    assert!(left.unwrap().parse::<u64>().unwrap() > 0, "{metrics}");

    // Without the coordinator the bank is healthy and not ready.
    scene.consortium.kill_coordinator();
    scene.until("the break", |status| status.connection.is_none());
    let (code, why) = open("/readyz");
    assert!(code == 503 && why.contains("no connection"), "{why}");
    assert_eq!(open("/healthz").0, 200);
    let status = scene.client(&["status"]);
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(
        status.contains("next attempt in") || status.contains("trying again now"),
        "{status}"
    );

    // Who logs out is a stranger; and a bank without a page says how to have one.
    let own = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    assert_eq!(request(port, "POST", "/logout", &own, &form).status, 303);
    assert_eq!(request(port, "GET", "/", &own[..1], "").status, 401);
    let config = scene.consortium.bank_folder(BANK).join("bank.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("listen = \"127.0.0.1:0\"", "listen = \"\"")).unwrap();
    let refused = scene.client(&["page"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("page.listen"));
    std::fs::write(&config, text).unwrap();
    scene.consortium.kill(BANK);
    let gone = scene.client(&["page"]);
    assert_eq!(gone.status.code(), Some(75));
    assert!(String::from_utf8_lossy(&gone.stderr).contains("veilsum-client run"));
    scene.consortium.stop();
}
