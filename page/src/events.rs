//! The sections again as they change, as server-sent events (HTML Standard, section 9.2).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::body::Bytes;
use maud::Markup;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::answer::Site;

/// A line of comment is sent after so long without news, so that a connection that is gone is noticed.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// Between two looks: what changes more often is shown together.
const PACE: Duration = Duration::from_millis(500);
/// Events that wait for a browser that does not take them; then it gets the next state only.
const WAITING: usize = 2;

/// What a page shows at one moment.
#[derive(Debug)]
pub struct Shown {
    /// Its sections, by the id of their place.
    pub sections: Vec<(&'static str, Markup)>,
    /// The moment.
    pub asof: Markup,
}

/// What one event holds: the sections that changed, and the time of it all.
#[derive(Serialize)]
struct Event {
    sections: BTreeMap<&'static str, String>,
    asof: String,
}

/// Starts a stream for the browser of the session in `headers`; it ends with the session, the browser or the daemon. What `latest` tells is
/// drawn by `draw`, if there is anything to draw yet.
pub fn stream<S, T, F, D>(
    site: &Arc<S>,
    headers: HeaderMap,
    mut latest: watch::Receiver<T>,
    mut draw: F,
) -> mpsc::Receiver<Bytes>
where
    S: Site,
    T: Clone + Send + Sync + 'static,
    F: FnMut(T) -> D + Send + 'static,
    D: Future<Output = Option<Shown>> + Send,
{
    let site = Arc::clone(site);
    let (events, body) = mpsc::channel(WAITING);
    // What is there already is news to this browser, whose page may be older.
    latest.mark_changed();
    tokio::spawn(async move {
        let mut shown: BTreeMap<&'static str, String> = BTreeMap::new();
        // Tells the browser how soon to come back.
        if events.send("retry: 2000\n\n".into()).await.is_err() {
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
            if site.guard().session(&headers).is_none() {
                return;
            }
            let news = latest.borrow_and_update().clone();
            let Some(drawn) = draw(news).await else {
                continue;
            };
            let mut sections = BTreeMap::new();
            for (id, section) in drawn.sections {
                let html = section.into_string();
                if shown.get(id) != Some(&html) {
                    shown.insert(id, html.clone());
                    sections.insert(id, html);
                }
            }
            let asof = drawn.asof.into_string();
            let Ok(data) = serde_json::to_string(&Event { sections, asof }) else {
                return;
            };
            if events.send(format!("data: {data}\n\n").into()).await.is_err() {
                return;
            }
            sleep(PACE).await;
        }
    });
    body
}
