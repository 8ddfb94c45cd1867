//! A lone request of a fast model is scored where it was read, and never by more threads than there are workers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use veilsum_serving::{Batch, Card, Model, RowProblem, Settings, Tensor};

use crate::toy::{Linear, one_row, request};
use crate::wire::{Running, settings};

/// Looks at the threads that ask it, and takes so long for each row.
struct Watched {
    model: Linear,
    takes: Duration,
    threads: Mutex<Vec<String>>,
    inside: AtomicUsize,
    most_inside: AtomicUsize,
}

impl Watched {
    fn new(takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            model: Linear::version("1", 1.0),
            takes,
            threads: Mutex::default(),
            inside: AtomicUsize::new(0),
            most_inside: AtomicUsize::new(0),
        })
    }

    /// Whether each call came from a worker.
    fn by_workers(&self) -> Vec<bool> {
        let threads = self.threads.lock().unwrap();
        threads.iter().map(|name| name == "scoring").collect()
    }
}

impl Model for Watched {
    fn card(&self) -> &Card {
        self.model.card()
    }

    fn score(&self, rows: &Batch) -> Result<Vec<Tensor>, RowProblem> {
        let inside = 1 + self.inside.fetch_add(1, Ordering::SeqCst);
        self.most_inside.fetch_max(inside, Ordering::SeqCst);
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        self.threads.lock().unwrap().push(name);
        let until = Instant::now() + self.takes * u32::try_from(rows.rows()).unwrap();
        let scored = self.model.score(rows);
        // A row that is refused never comes to the work.
        while scored.is_ok() && Instant::now() < until {
            std::hint::spin_loop();
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
        scored
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fast_model_is_asked_where_the_request_was_read() {
    let model = Watched::new(Duration::ZERO);
    let running = Running::with(settings(), vec![model.clone()]);
    // How fast it is is known after the first; on a busy machine it may look slow for a while.
    let mut asked = 0;
    while model.by_workers().last() != Some(&false) {
        assert_eq!(running.infer(&one_row()).await.scores(), [51.0]);
        asked += 1;
        assert!(asked < 10_000, "never");
    }
    assert_eq!(model.by_workers().first(), Some(&true));
    let long = "north".repeat(4000);
    let answer = running.infer(&request(&[(2.0, None, &long)])).await;
    assert_eq!(answer.status, 400);
    assert_eq!(model.by_workers().last(), Some(&true));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_model_keeps_no_thread_from_its_connections() {
    let model = Watched::new(Duration::from_millis(2));
    let running = Running::with(settings(), vec![model.clone()]);
    for _ in 0..4 {
        assert_eq!(running.infer(&one_row()).await.scores(), [51.0]);
    }
    // What is refused fast says nothing of what is scored.
    for _ in 0..20 {
        let refused = running.infer(&request(&[(2.0, None, "nowhere")])).await;
        assert_eq!(refused.status, 400);
    }
    assert_eq!(running.infer(&one_row()).await.scores(), [51.0]);
    assert_eq!(model.by_workers(), [true; 25]);
    running.end().await;
}

/// Fast enough to be asked at once, and slow enough for others to come meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_model_is_asked_by_as_many_threads_as_are_set() {
    for workers in [1, 2] {
        let model = Watched::new(Duration::from_micros(100));
        let mut settings = Settings { ..settings() };
        settings.batching.workers = workers;
        let running = Arc::new(Running::with(settings, vec![model.clone()]));
        let mut clients = JoinSet::new();
        for _ in 0..4 {
            let running = Arc::clone(&running);
            clients.spawn(async move {
                for _ in 0..100 {
                    assert_eq!(running.infer(&one_row()).await.scores(), [51.0]);
                }
            });
        }
        while let Some(done) = clients.join_next().await {
            done.unwrap();
        }
        let by_workers = model.by_workers();
        assert!(by_workers.contains(&true), "{workers}");
        assert!(
            model.most_inside.load(Ordering::SeqCst) <= workers,
            "{workers}: {by_workers:?}"
        );
        let Ok(running) = Arc::try_unwrap(running) else {
            panic!("every client has ended");
        };
        running.end().await;
    }
}
