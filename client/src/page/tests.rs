//! The bank's word on a task, said on its page: over the page's own HTTP, without a network and without a daemon behind it.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use veilsum_protocol::consortium::{CONSORTIUM_VERSION, Consortium, ConsortiumBank};
use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::crypto::signing::SigningKey;
use veilsum_protocol::ids::{BankIndex, Digest};
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::refusal::RefusalReason;

use super::{Office, Parts};
use crate::config::Config;
use crate::egress::Ledger;
use crate::enrol::init;
use crate::participant::{Decision, Home, Pulse, RoundHistory, Status, TaskStatus, Tasks};

const SCHEMA: &str =
    "version = 1\nlabel = \"late\"\n[[column]]\nname = \"a<b>\"\ntype = \"number\"\nmin = 0\nmax = 1\n";

/// A task of so many training rounds.
fn task(rounds: u32) -> Task {
    let schema = SCHEMA.replace("[[column]]", "[[schema.column]]");
    let text = format!(
        "name = \"credit\"\nrounds = {rounds}\nseed = 3\n[schema]\n{schema}[model]\nfamily = \"logistic\"\n\
         [training]\noptimiser = \"sgd\"\nlearning_rate = 0.1\nbatch_size = 1\nlocal_epochs = 1\n"
    );
    Task::parse(&text).unwrap()
}

/// A bank's folder with its page, in which a browser is logged in.
struct Scene {
    folder: TempDir,
    office: Arc<Office>,
    tasks: Tasks,
    status: watch::Sender<Option<Arc<Status>>>,
    cookie: String,
    token: String,
}

struct Answer {
    code: u16,
    head: String,
    body: String,
}

impl Answer {
    fn says(&self, code: u16, parts: &[&str]) {
        for part in parts {
            assert!(self.body.contains(part), "{part:?} is not in {}", self.body);
        }
        assert_eq!(self.code, code, "{}{}", self.head, self.body);
    }

    fn leads_to(&self, place: &str) {
        assert_eq!(self.code, 303, "{}{}", self.head, self.body);
        assert!(
            self.head.contains(&format!("location: {place}\r\n")),
            "{}",
            self.head
        );
    }

    /// What stands behind `before`, up to the next quotation mark.
    fn value(&self, before: &str) -> String {
        let (_, behind) = self
            .body
            .split_once(before)
            .unwrap_or_else(|| panic!("{before:?} is not in {}", self.body));
        behind.split_once('"').unwrap().0.to_owned()
    }

    /// The mark of what a question was asked about.
    fn mark(&self) -> String {
        self.value("name=\"shown\" value=\"")
    }
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("bank");
        init::init("bank-1", &dir).unwrap();
        std::fs::write(dir.join("consortium.toml"), consortium()).unwrap();
        std::fs::write(dir.join("schema.toml"), SCHEMA).unwrap();
        let config = Config::load(&dir.join("bank.toml"), std::iter::empty()).unwrap();
        let tasks = Home::tasks(&config.state).unwrap();
        let (status, latest) = watch::channel(Some(Arc::default()));
        let office = Office::new(Parts {
            latest,
            pulse: Pulse::default(),
            ledger: Ledger::in_memory(),
            history: Arc::new(std::sync::Mutex::new(
                RoundHistory::open(Home::history(&config.state)).unwrap(),
            )),
            tasks: tasks.clone(),
            port: 80,
            config,
        });
        let mut scene = Self {
            folder,
            office,
            tasks,
            status,
            cookie: String::new(),
            token: String::new(),
        };
        let word = scene.office.link().unwrap();
        let entered = scene.ask("GET", &format!("/login?word={word}"), "", "").await;
        let (_, cookie) = entered.head.split_once("set-cookie: ").unwrap();
        scene.cookie = format!("cookie: {}\r\n", cookie.split_once(';').unwrap().0);
        scene.token = scene.get("/").await.value("name=\"token\" value=\"");
        scene
    }

    /// One request over a connection of its own.
    async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let (mut near, far) = tokio::io::duplex(1 << 16);
        let (_stop, stopping) = watch::channel(false);
        let served = veilsum_page::converse(Arc::clone(&self.office), far, stopping);
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        let asked = async {
            near.write_all(text.as_bytes()).await.unwrap();
            let mut answer = String::new();
            near.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let ((), answer) = tokio::join!(served, asked);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer {
            code: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: format!("{head}\r\n"),
            body: body.to_owned(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &self.cookie, "").await
    }

    /// What a form of an own page sends, with `fields` behind its token.
    async fn post(&self, path: &str, fields: &str) -> Answer {
        let headers = format!("{}origin: http://localhost\r\n", self.cookie);
        let body = format!("token={}{fields}", self.token);
        self.ask("POST", path, &headers, &body).await
    }

    /// Offers a task; gives the path of its page.
    fn offer(&self, task: &Task) -> String {
        let hash = task.hash();
        self.tasks.save(&hash, task.canonical_text().as_bytes()).unwrap();
        self.status.send_modify(|status| {
            let mut next = Status::clone(status.as_ref().unwrap());
            next.tasks.push(TaskStatus {
                name: task.name.clone(),
                task: hash.to_hex(),
                steps: 3,
                ..TaskStatus::default()
            });
            *status = Some(Arc::new(next));
        });
        format!("/task/{hash}")
    }

    fn decision(&self, task: &Task) -> Option<Decision> {
        self.tasks.decision(&task.hash()).unwrap()
    }

    fn policy(&self, text: &str) {
        std::fs::write(self.folder.path().join("bank/policy.toml"), text).unwrap();
    }
}

fn consortium() -> String {
    let key = |seed: u64| {
        SigningKey::generate(&mut SeededEntropy::new(seed))
            .verifying_key()
            .0
    };
    let bank = |position: u16| ConsortiumBank {
        index: BankIndex::new(position).unwrap(),
        name: format!("bank-{position}"),
        signing_public_key: Digest(key(position.into())).to_hex(),
        witness_public_key: Digest(key(u64::from(position) + 100)).to_hex(),
        tls_key_sha256: Digest::of(&position.to_be_bytes()).to_hex(),
    };
    let file = Consortium {
        version: CONSORTIUM_VERSION,
        name: "demo".to_owned(),
        address: "127.0.0.1:7443".to_owned(),
        server_name: "127.0.0.1".to_owned(),
        log_key: VerifierKey::new("demo", key(200)).unwrap(),
        ca_pem: String::new(),
        banks: (1..=3).map(bank).collect(),
    };
    file.to_toml().unwrap()
}

#[tokio::test]
async fn nothing_is_decided_by_looking_nor_by_a_form_of_another_site_or_login() {
    let scene = Scene::new().await;
    let credit = task(1);
    let path = scene.offer(&credit);
    let seen = scene.get(&path).await;
    seen.says(
        200,
        &[
            "waits for your word",
            "What leaves the bank",
            "has not decided",
            "a&lt;b&gt;",
        ],
    );
    assert!(!seen.body.contains("a<b>"), "a name from outside is text");
    for wish in ["approve", "refuse"] {
        let way = format!("{path}/{wish}");
        // With what was looked at in the address it is the question alone, without it all that is decided on stands below.
        let link = seen
            .value(&format!("id=\"{wish}\" href=\""))
            .replace("&amp;", "&");
        let asked = scene.get(&link).await;
        let name = format!("task credit ({})?", &credit.hash().to_hex()[..8]);
        asked.says(200, &[&name, "id=\"confirm\""]);
        assert!(!asked.body.contains("What leaves the bank"));
        let whole = scene.get(&way).await;
        whole.says(200, &[&name, "What leaves the bank"]);
        assert_eq!(asked.mark(), whole.mark());
        assert!(link.ends_with(&asked.mark()));
        assert_eq!(scene.ask("HEAD", &way, &scene.cookie, "").await.code, 200);

        let form = |token: &str| format!("token={token}&shown={}&reason=operator", asked.mark());
        let good = form(&scene.token);
        let own = format!("{}origin: http://localhost\r\n", scene.cookie);
        let strangers = [
            (own.as_str(), form("00"), 403),
            (own.as_str(), format!("shown={}", asked.mark()), 403),
            (scene.cookie.as_str(), good.clone(), 403),
            ("origin: http://localhost\r\n", good.clone(), 401),
        ];
        for (headers, body, code) in strangers {
            assert_eq!(
                scene.ask("POST", &way, headers, &body).await.code,
                code,
                "{headers}{body}"
            );
        }
        for foreign in [
            "origin: https://evil.example\r\n",
            "origin: http://localhost\r\nsec-fetch-site: cross-site\r\n",
        ] {
            let headers = format!("{}{foreign}", scene.cookie);
            assert_eq!(
                scene.ask("POST", &way, &headers, &good).await.code,
                403,
                "{foreign}"
            );
        }
        assert_eq!(scene.ask("PUT", &way, &own, &good).await.code, 405);
    }
    assert_eq!(scene.decision(&credit), None);
}

#[tokio::test]
async fn a_task_is_approved_on_what_was_shown_and_pressed_twice_it_is_approved_once() {
    let scene = Scene::new().await;
    let credit = task(1);
    let path = scene.offer(&credit);
    let way = format!("{path}/approve");
    let form = format!("&shown={}", scene.get(&way).await.mark());
    for without in ["", "&shown=", "&shown=00"] {
        scene
            .post(&way, without)
            .await
            .says(409, &["has changed since this page was shown; look again"]);
    }
    assert_eq!(scene.decision(&credit), None);
    scene.post(&way, &form).await.leads_to("/?done=approved");
    assert_eq!(scene.decision(&credit), Some(Decision::Approved));
    scene.post(&way, &form).await.leads_to("/?done=approved");
    assert_eq!(scene.decision(&credit), Some(Decision::Approved));
    scene.get("/?done=approved").await.says(
        200,
        &[
            "role=\"status\">The task is approved.",
            "approved, not signed yet",
        ],
    );
    let seen = scene.get(&path).await;
    seen.says(200, &["has not signed that yet", "id=\"refuse\""]);
    assert!(!seen.body.contains("id=\"approve\""));
    // The form that was open all the time cannot take a later word back.
    scene.tasks.refuse(&credit, RefusalReason::Operator).unwrap();
    scene
        .post(&way, &form)
        .await
        .says(409, &["a word was said elsewhere"]);
    assert_eq!(scene.decision(&credit), Some(Decision::Refused));
}

#[tokio::test]
async fn a_task_is_refused_for_a_reason_of_the_list_and_for_no_other() {
    let scene = Scene::new().await;
    let credit = task(1);
    let path = scene.offer(&credit);
    let way = format!("{path}/refuse");
    let asked = scene.get(&way).await;
    let words: Vec<&str> = RefusalReason::ALL.map(RefusalReason::name).into();
    for word in &words {
        assert!(
            asked.body.contains(&format!("name=\"reason\" value=\"{word}\"")),
            "{word}"
        );
    }
    let form = format!("&shown={}", asked.mark());
    for wrong in [
        "",
        "&reason=",
        "&reason=salary",
        "&reason=Columns",
        "&reason=%3Cb%3E",
    ] {
        let answer = scene.post(&way, &format!("{form}{wrong}")).await;
        answer.says(422, &["expected one of operator, banks, columns"]);
        assert!(!answer.body.contains("<b>"), "{}", answer.body);
    }
    assert_eq!(scene.decision(&credit), None);
    let form = format!("{form}&reason=columns");
    for _ in 0..2 {
        scene.post(&way, &form).await.leads_to("/?done=refused");
        assert_eq!(
            scene.tasks.refusal(&credit.hash()).unwrap(),
            Some(RefusalReason::Columns)
        );
    }
    // Another reason is another word, and names what it is said to.
    let other = form.replace("columns", "length");
    scene.post(&way, &other).await.says(409, &["look again"]);
    let form = format!("&shown={}&reason=length", scene.get(&way).await.mark());
    scene.post(&way, &form).await.leads_to("/?done=refused");
    assert_eq!(
        scene.tasks.refusal(&credit.hash()).unwrap(),
        Some(RefusalReason::Length)
    );
    scene
        .get(&path)
        .await
        .says(200, &["refused it. Others hear of why: for the length"]);
}

#[tokio::test]
async fn what_changed_between_showing_and_pressing_is_looked_at_again() {
    let scene = Scene::new().await;
    let credit = task(1);
    let path = scene.offer(&credit);
    let way = format!("{path}/approve");
    let changed = |answer: &Answer| {
        answer.says(
            409,
            &[
                "The task has changed since this page was shown; look again.",
                &format!("href=\"{path}\""),
            ],
        );
        assert_eq!(scene.decision(&credit), None);
    };
    let marked = async |form: &str| format!("{form}{}", scene.get(&way).await.mark());
    // Another version.
    let before = marked("&shown=").await;
    let second = task(9);
    let second_path = scene.offer(&second);
    changed(&scene.post(&way, &before).await);
    changed(&scene.get(&format!("{way}?{}", &before[1..])).await);
    changed(
        &scene
            .post(&format!("{path}/refuse"), &format!("{before}&reason=model"))
            .await,
    );
    scene
        .get(&path)
        .await
        .says(200, &["A later version of that name is offered"]);
    // The policy.
    let before = marked("&shown=").await;
    scene.policy("[limits]\nhours = [\"22:00-06:00\"]\n");
    changed(&scene.post(&way, &before).await);
    // A word on the earlier version, which is what the later one is compared with.
    let way = format!("{second_path}/approve");
    let asked = scene.get(&way).await;
    asked.says(
        200,
        &[
            "which was offered before and not approved here",
            "training rounds: 1 -&gt; 9",
        ],
    );
    scene.tasks.approve(&credit).unwrap();
    scene
        .post(&way, &format!("&shown={}", asked.mark()))
        .await
        .says(409, &["look again"]);
    let asked = scene.get(&way).await;
    asked.says(200, &["which you approved", "joins rounds at 22:00-06:00 UTC"]);
    scene
        .post(&way, &format!("&shown={}", asked.mark()))
        .await
        .leads_to("/?done=approved");
    assert_eq!(scene.decision(&second), Some(Decision::Approved));
}

#[tokio::test]
async fn beyond_the_policy_nothing_is_approved_and_the_limit_is_named() {
    let scene = Scene::new().await;
    let credit = task(7);
    let path = scene.offer(&credit);
    let way = format!("{path}/approve");
    let form = format!("&shown={}", scene.get(&way).await.mark());
    let limit = "max_rounds: found 7 training rounds, expected at most 5";
    scene.policy("[limits]\nmax_rounds = 5\n");
    let seen = scene.get(&path).await;
    seen.says(
        200,
        &[limit, "and it cannot be approved, before", "id=\"refuse\""],
    );
    assert!(!seen.body.contains("id=\"approve\""), "{}", seen.body);
    scene.get(&way).await.says(409, &[limit, "policy.toml"]);
    scene
        .post(&way, &form)
        .await
        .says(409, &[limit, "policy.toml", "for the length"]);
    scene.policy("[limits]\nmax_round = 5\n");
    scene
        .post(&way, &form)
        .await
        .says(409, &["before the bank's policy can be read", "max_round"]);
    // Nor with a schema that is not the task's.
    scene.policy("");
    let schema = scene.folder.path().join("bank/schema.toml");
    std::fs::write(schema, SCHEMA.replace("max = 1", "max = 2")).unwrap();
    scene
        .post(&way, &form)
        .await
        .says(409, &["schema.toml", "as in the task"]);
    assert_eq!(scene.decision(&credit), None);
    // A no needs none of that.
    let no = format!(
        "&shown={}&reason=operator",
        scene.get(&format!("{path}/refuse")).await.mark()
    );
    scene
        .post(&format!("{path}/refuse"), &no)
        .await
        .leads_to("/?done=refused");
}

#[tokio::test]
async fn a_task_that_nobody_offered_is_not_decided_on_and_neither_is_one_of_a_daemon_that_starts() {
    let scene = Scene::new().await;
    let credit = task(1);
    let unknown = format!("/task/{}", credit.hash());
    for (way, form) in [("approve", ""), ("refuse", "&reason=operator")] {
        let way = format!("{unknown}/{way}");
        scene.get(&way).await.says(404, &["No task with this hash"]);
        scene
            .post(&way, &format!("&shown=00{form}"))
            .await
            .says(404, &["No task with this hash"]);
        assert_eq!(
            scene
                .post(&way.replace(&unknown, "/task/credit"), form)
                .await
                .code,
            404
        );
    }
    assert_eq!(scene.decision(&credit), None);
    let path = scene.offer(&credit);
    let form = format!("&shown={}", scene.get(&format!("{path}/approve")).await.mark());
    scene.status.send_replace(None);
    scene
        .post(&format!("{path}/approve"), &form)
        .await
        .says(503, &["Not now"]);
    assert_eq!(scene.decision(&credit), None);
}
