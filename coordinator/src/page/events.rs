//! The sections again as they change, as server-sent events (HTML Standard, section 9.2).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::document::View;
use super::office::{Absent, Office};
use super::words::moment;

/// A line of comment is sent after so long without news, so that a connection that is gone is noticed.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// Between two looks: what changes more often is shown together.
const PACE: Duration = Duration::from_millis(500);
/// Events that wait for a browser that does not take them; then it gets the next state only.
const WAITING: usize = 2;

/// What one event holds: sections by the id of their place, and the time of it all.
#[derive(Serialize)]
struct Event {
    sections: BTreeMap<&'static str, String>,
    asof: String,
}

/// Starts a stream for the browser of this session; it ends with the session, the browser or the coordinator.
pub(super) fn stream(office: Arc<Office>, headers: HeaderMap) -> Result<mpsc::Receiver<Bytes>, Absent> {
    let mut latest = office.watch()?;
    let (events, body) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let mut shown: BTreeMap<&'static str, String> = BTreeMap::new();
        // Tells the browser how soon to come back, and makes the engine send a first status.
        if events.send("retry: 2000\n\n".into()).await.is_err() || office.status().await.is_err() {
            return;
        }
        loop {
            match timeout(SIGN_OF_LIFE, latest.changed()).await {
                Ok(Err(_)) => return,
                Ok(Ok(())) => {}
                Err(_) => {
                    if events.send(":\n\n".into()).await.is_err() {
                        return;
                    }
                    continue;
                }
            }
            if office.guard.session(&headers).is_none() {
                return;
            }
            let Some(status) = latest.borrow_and_update().clone() else {
                continue;
            };
            let told = office.told(status.published).await;
            let asof = moment(status.at).into_string();
            let view = View { status, told };
            let mut sections = BTreeMap::new();
            for (id, section) in view.sections() {
                let html = section.into_string();
                if shown.get(id) != Some(&html) {
                    shown.insert(id, html.clone());
                    sections.insert(id, html);
                }
            }
            let Ok(data) = serde_json::to_string(&Event { sections, asof }) else {
                return;
            };
            if events.send(format!("data: {data}\n\n").into()).await.is_err() {
                return;
            }
            sleep(PACE).await;
        }
    });
    Ok(body)
}
