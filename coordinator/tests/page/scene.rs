//! An engine with its page, and three banks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use veilsum_coordinator::engine::driver::Input;
use veilsum_coordinator::engine::status::Status;
use veilsum_coordinator::history::History;
use veilsum_coordinator::metrics::Meters;
use veilsum_coordinator::page::{self, Server};

use crate::bank::Bank;
use crate::world::{Office, TASK, World, ask, create, status, wait_for};

pub struct Scene {
    pub world: World,
    pub office: Office,
    pub page: Arc<page::Office>,
    pub port: u16,
    banks: Vec<JoinHandle<Bank>>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Scene {
    /// Nothing has happened yet. The certificate expires at `expires`, in Unix seconds.
    pub async fn at_rest(expires: i64) -> Self {
        let world = World::new(3);
        let office = world.start();
        let (page, port, stop, served) = serve(&world, 3600, expires);
        page.opens(office.inputs.clone(), office.feed.clone());
        Self {
            world,
            office,
            page,
            port,
            banks: Vec::new(),
            stop,
            served,
        }
    }

    /// A task has run to its end, and one rests that none of it has run.
    pub async fn trained(rounds: u32) -> Self {
        let mut scene = Self::at_rest(4_000_000_000).await;
        create(&scene.office, &task("credit", rounds)).await.unwrap();
        create(&scene.office, &task("fraud", 5)).await.unwrap();
        let rest = |to| Input::PauseTask("fraud".to_owned(), to);
        ask(&scene.office, rest).await.unwrap();
        scene.join(|_| ()).await;
        // The last heads are published when the round is over: the page reads what is published.
        wait_for(&scene.office, |status| {
            crate::world::finished(status) && status.published == status.log_size
        })
        .await;
        scene
    }

    /// All banks come, as `prepare` leaves them.
    pub async fn join(&mut self, prepare: impl FnOnce(&mut Vec<Bank>)) {
        let mut banks = self.world.banks();
        prepare(&mut banks);
        self.banks = self.world.join_all(&self.office, banks).await;
    }

    pub fn link(&self) -> String {
        format!(
            "http://127.0.0.1:{}/login?word={}",
            self.port,
            self.page.link().unwrap()
        )
    }

    pub async fn status(&self) -> Status {
        status(&self.office).await
    }

    pub async fn end(self) {
        self.page.closes();
        let _ = self.stop.send(());
        tokio::time::timeout(Duration::from_secs(10), self.served)
            .await
            .unwrap()
            .unwrap();
        self.office.stop().await;
        crate::world::back(self.banks).await;
    }
}

pub type Served = (Arc<page::Office>, u16, oneshot::Sender<()>, JoinHandle<()>);

/// A page without an engine yet.
pub fn serve(world: &World, session_s: u32, expires: i64) -> Served {
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), 16).unwrap();
    let port = server.local_addr().unwrap().port();
    let meters = Meters::new(
        world.path().to_owned(),
        world.path().join("log"),
        expires,
        1_700_000_000,
    );
    let history = History::new(world.path().join("log"), world.log_key());
    let office = page::Office::new(session_s, port, meters, history, expires);
    let (stop, stopped) = oneshot::channel();
    let served = Arc::clone(&office);
    let served = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        server.serve(served, stopped).await.unwrap();
    });
    (office, port, stop, served)
}

pub fn task(name: &str, rounds: u32) -> String {
    TASK.replace("rounds = 2", &format!("rounds = {rounds}"))
        .replace("\"small\"", &format!("\"{name}\""))
}
