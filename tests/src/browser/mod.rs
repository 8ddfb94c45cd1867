//! A real browser: headless Chromium, driven over the pipe of its DevTools protocol. No driver and no port in between. [`http`] asks without
//! one, [`probe`] says what must hold of every page.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod http;
pub mod probe;

use std::cell::{Cell, RefCell};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

/// Longest that the browser may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// One page in a browser of its own.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    stdin: RefCell<ChildStdin>,
    messages: Receiver<Value>,
    next: Cell<u64>,
    session: RefCell<String>,
    /// What the page complained about.
    pub complaints: RefCell<Vec<String>>,
    /// What it asked for.
    pub requested: RefCell<Vec<String>>,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The browser. That there is none is a failure: a page that nobody opened was not tested.
fn chromium() -> &'static str {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
        .expect("found no chromium; install it (Debian: apt install chromium) and run the tests again")
}

impl Browser {
    /// Starts it on an empty page.
    pub fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The protocol is spoken over the descriptors 3 and 4.
        let script = format!(
            "exec {} --headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --remote-debugging-pipe --user-data-dir='{}' about:blank \
             3<&0 4>&1 </dev/null >/dev/null 2>/dev/null",
            chromium(),
            profile.path().display()
        );
        let mut child = Command::new("bash")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in stdout.split(0) {
                let Ok(message) = message else { return };
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    return;
                }
            }
        });
        let browser = Self {
            child,
            stdin: RefCell::new(stdin),
            messages,
            next: Cell::new(0),
            session: RefCell::default(),
            complaints: RefCell::default(),
            requested: RefCell::default(),
            _profile: profile,
        };
        let target = browser.say("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.say("Target.attachToTarget", attach)["sessionId"]
            .as_str()
            .unwrap()
            .to_owned();
        *browser.session.borrow_mut() = session;
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.say(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Sends a command and waits for its result; what happens meanwhile is noted.
    pub fn say(&self, method: &str, params: Value) -> Value {
        let mut answer = self.try_say(method, params);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    /// The same for a command that may fail.
    pub fn try_say(&self, method: &str, params: Value) -> Value {
        let id = self.next.get() + 1;
        self.next.set(id);
        let mut message = json!({ "id": id, "method": method, "params": params });
        let session = self.session.borrow().clone();
        if !session.is_empty() {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.stdin.borrow_mut().write_all(&bytes).unwrap();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left);
            let message = message.unwrap_or_else(|_| panic!("no answer to {method}"));
            self.note(&message);
            if message["id"] == id {
                return message;
            }
        }
    }

    fn note(&self, message: &Value) {
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                let url = params["request"]["url"].as_str().unwrap().to_owned();
                self.requested.borrow_mut().push(url);
            }
            Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded") => {
                self.complaints.borrow_mut().push(params.to_string());
            }
            _ => {}
        }
    }

    /// Loads a page to its end.
    pub fn open(&self, url: &str) {
        self.say("Page.navigate", json!({ "url": url }));
        self.loaded();
    }

    /// Waits until the page that is being loaded is there.
    pub fn loaded(&self) {
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// The value of an expression, or of what it promises.
    pub fn eval(&self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.say("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let params = json!({ "expression": expression, "returnByValue": true });
            // While one page takes the place of another there may be nothing to ask.
            if self.say("Runtime.evaluate", params)["result"]["value"] == true {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "it did not come to: {expression}; {}",
                self.eval("document.body.innerText")
            );
            thread::yield_now();
        }
    }

    /// The window's size.
    pub fn size(&self, width: u32, height: u32) {
        self.say(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 }),
        );
    }

    /// Screen or print, light or dark.
    pub fn media(&self, kind: &str, scheme: &str) {
        self.say(
            "Emulation.setEmulatedMedia",
            json!({ "media": kind, "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
    }

    /// Presses a key.
    pub fn key(&self, key: &str, code: u32) {
        self.press(key, code, 0);
    }

    /// Presses Tab with Shift.
    pub fn back_tab(&self) {
        self.press("Tab", 9, 8);
    }

    fn press(&self, key: &str, code: u32, modifiers: u32) {
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers });
            if kind == "keyDown" && key == "Enter" {
                params["text"] = json!("\r");
            }
            self.say("Input.dispatchKeyEvent", params);
        }
    }

    /// Whether scripts of the page run.
    pub fn scripts(&self, allowed: bool) {
        self.say(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": !allowed }),
        );
    }

    /// Keeps a picture of the whole page under `VEILSUM_PAGES`, for people to look at.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("VEILSUM_PAGES") else {
            return;
        };
        let folder = std::path::PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let shot = self.say(
            "Page.captureScreenshot",
            json!({ "format": "png", "captureBeyondViewport": true }),
        );
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap();
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }
}
