//! Who gets what, over every route that there is.

use veilsum_coordinator::engine::tasks::TaskStatus;
use veilsum_coordinator::page::{ROUTES, Role};

use crate::http::{enter, request, token};
use crate::scene::{Scene, serve, task};
use crate::world::{World, create};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_asks_for_its_role() {
    let scene = Scene::at_rest(4_000_000_000).await;
    let hash = create(&scene.office, &task("credit", 2)).await.unwrap().to_hex();
    let (port, link) = (scene.port, scene.link());
    let run = move || {
        let cookie = enter(port, &link);
        let page = request(port, "GET", "/", &[("cookie", &cookie)], "");
        let word = token(&page.body);
        let origin = format!("http://127.0.0.1:{port}");
        let form = format!("token={word}");
        for route in ROUTES {
            let path = route.path.replace("{task}", &hash);
            let ask =
                |headers: &[(&str, &str)], body: &str| request(port, route.method, &path, headers, body);
            let own = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
            let name = format!("{} {path}", route.method);
            // A stranger, as another user of the machine is.
            let stranger = ask(&[("origin", &origin)], &form);
            match route.role {
                Role::Operator => assert_eq!(stranger.status, 401, "{name}"),
                Role::None if path == "/login" => assert_eq!(stranger.status, 401, "{name} without a word"),
                Role::None => assert_eq!(stranger.status, 200, "{name}"),
            }
            assert_eq!(
                ask(&[("cookie", "veilsum_operator=0"), ("origin", &origin)], &form).status,
                stranger.status,
                "{name}"
            );
            // By a name that another site may have made lead here.
            assert_eq!(
                ask(&[("host", "evil.example"), own[0], own[1]], &form).status,
                421,
                "{name}"
            );
            // Nobody else may show it in a frame, or run anything in it.
            let policy = &stranger.headers["content-security-policy"];
            assert!(
                policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                "{name}"
            );
            assert!(!policy.contains("unsafe"), "{name}");
            assert_eq!(stranger.headers["cache-control"], "no-store", "{name}");
            if route.method != "POST" {
                let allowed = ask(&[own[0]], "");
                let expected = match path.as_str() {
                    "/login" => 401,
                    _ => 200,
                };
                assert_eq!(allowed.status, expected, "{name}");
                let is_form = ROUTES
                    .iter()
                    .any(|other| (other.method, other.path) == ("POST", route.path));
                if !is_form {
                    assert_eq!(request(port, "POST", &path, &own, &form).status, 405, "{name}");
                }
                continue;
            }
            // From a page of another site, by the operator's browser.
            for foreign in [
                &[own[0], ("origin", "https://evil.example")][..],
                &[own[0], ("origin", "null")],
                &[own[0]],
                &[own[0], own[1], ("sec-fetch-site", "cross-site")],
            ] {
                assert_eq!(ask(foreign, &form).status, 403, "{name} {foreign:?}");
            }
            // Without the form's word, and with one of another login.
            for wrong in ["", "token=", "token=00"] {
                assert_eq!(ask(&own, wrong).status, 403, "{name} {wrong:?}");
            }
        }
        // None of that did anything.
        (cookie, word, origin, hash)
    };
    let (cookie, word, origin, hash) = tokio::task::spawn_blocking(run).await.unwrap();
    let status = scene.status().await;
    assert_eq!(status.tasks.len(), 1);
    assert_eq!(status.tasks[0].status, TaskStatus::Running);

    let act = move |path: String, body: String| {
        let headers = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
        let answer = request(port, "POST", &path, &headers, &format!("token={word}{body}"));
        (
            answer.status,
            answer.headers.get("location").cloned().unwrap_or_default(),
            answer.body,
        )
    };
    let act = std::sync::Arc::new(act);
    let post = |path: String, body: String| {
        let act = std::sync::Arc::clone(&act);
        async move {
            tokio::task::spawn_blocking(move || act(path, body))
                .await
                .unwrap()
        }
    };
    let done = |answer: (u16, String, String)| (answer.0, answer.1);
    let place = |word: &str| (303, format!("/?done={word}"));
    assert_eq!(
        done(post(format!("/task/{hash}/pause"), String::new()).await),
        place("paused")
    );
    assert_eq!(scene.status().await.tasks[0].status, TaskStatus::Paused);
    assert_eq!(
        done(post(format!("/task/{hash}/resume"), String::new()).await),
        place("resumed")
    );
    assert_eq!(scene.status().await.tasks[0].status, TaskStatus::Running);
    assert_eq!(
        done(post(format!("/task/{hash}/stop"), String::new()).await),
        place("stopped")
    );
    let (code, _, body) = post(format!("/task/{hash}/pause"), String::new()).await;
    assert!(
        code == 409 && body.contains("a task that is over cannot be paused"),
        "{body}"
    );
    let (code, _, body) = post(format!("/task/{}/stop", "ab".repeat(32)), String::new()).await;
    assert!(code == 409 && body.contains("expected one of: credit"), "{body}");

    // A new task is looked at first, and nothing is offered by that.
    let text: String =
        form_urlencoded::byte_serialize(task("fraud", 3).replace('\n', "\r\n").as_bytes()).collect();
    let (code, _, body) = post("/task/check".to_owned(), format!("&text={text}")).await;
    assert_eq!(code, 200);
    assert!(
        body.contains("What leaves the bank") && body.contains("Offer the task to the banks"),
        "{body}"
    );
    assert_eq!(scene.status().await.tasks.len(), 1);
    let (code, _, body) = post("/task/check".to_owned(), "&text=name+%3D+1".to_owned()).await;
    assert!(
        code == 422 && body.contains("role=\"alert\"") && body.contains("name = 1"),
        "{body}"
    );
    assert_eq!(
        done(post("/task/create".to_owned(), format!("&text={text}")).await),
        place("offered")
    );
    assert_eq!(scene.status().await.tasks[1].name, "fraud");
    let (code, _, body) = post("/task/create".to_owned(), format!("&text={text}")).await;
    assert!(code == 422 && body.contains("exists already"), "{body}");

    // Who logs out is a stranger.
    let (code, place, _) = post("/logout".to_owned(), String::new()).await;
    assert_eq!((code, place.as_str()), (303, "/"));
    assert_eq!(post(format!("/task/{hash}/stop"), String::new()).await.0, 401);
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_opens_once_and_a_form_is_no_longer_than_a_task() {
    let scene = Scene::at_rest(4_000_000_000).await;
    let (port, link) = (scene.port, scene.link());
    let run = move || {
        let path = link.split_once(&format!(":{port}")).unwrap().1.to_owned();
        assert_eq!(
            request(port, "HEAD", &path, &[], "").status,
            200,
            "whoever only looks"
        );
        let cookie = enter(port, &link);
        assert_eq!(request(port, "GET", &path, &[], "").status, 401, "a second time");
        let origin = format!("http://127.0.0.1:{port}");
        let headers = [
            ("cookie", cookie.as_str()),
            ("origin", origin.as_str()),
            ("content-length", "99999999"),
        ];
        assert_eq!(
            request(port, "POST", "/task/check", &headers, "token=0").status,
            413
        );
        let events = request(port, "GET", "/events", &headers[..1], "");
        assert_eq!(
            (events.status, events.headers["content-type"].as_str()),
            (200, "text/event-stream")
        );
        let head = request(port, "HEAD", "/metrics", &[], "");
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    };
    tokio::task::spawn_blocking(run).await.unwrap();
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_readiness_say_why_not() {
    let world = World::new(3);
    let (page, port, stop, served) = serve(&world, 60, 4_000_000_000);
    let ask = |path: &'static str| async move {
        let ask = move || {
            let answer = request(port, "GET", path, &[], "");
            (answer.status, answer.body)
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    };
    // The store is not open yet.
    assert_eq!(ask("/healthz").await, (200, "ok\n".to_owned()));
    let (code, why) = ask("/readyz").await;
    assert!(code == 503 && why.contains("is starting"), "{why}");
    let (code, text) = ask("/metrics").await;
    assert!(code == 200 && text.contains("veilsum_coordinator_build_info"));
    let office = world.start();
    page.opens(office.inputs.clone(), office.feed.clone());
    assert_eq!(ask("/readyz").await, (200, "ready\n".to_owned()));
    assert!(ask("/metrics").await.1.contains("veilsum_coordinator_banks 3\n"));
    page.closes();
    let (code, why) = ask("/readyz").await;
    assert!(code == 503 && why.contains("is stopping"), "{why}");
    assert_eq!(ask("/healthz").await.0, 200);
    stop.send(()).unwrap();
    served.await.unwrap();
    office.stop().await;

    let scene = Scene::at_rest(1_000_000_000).await;
    let port = scene.port;
    let expired = tokio::task::spawn_blocking(move || request(port, "GET", "/readyz", &[], "").body);
    assert!(expired.await.unwrap().contains("certificate has expired"));
    scene.end().await;
}
