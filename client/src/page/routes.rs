//! Every path that there is, and who may ask for it.

use veilsum_page::Route;

/// What is shown or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Whether the daemon's loop goes round.
    Health,
    /// Whether the bank can take part.
    Ready,
    /// Metrics for Prometheus.
    Metrics,
    /// The bank.
    Page,
    /// Its sections as they change.
    Events,
    /// One task in plain words.
    Task,
    /// Asks before a task is approved.
    AskApprove,
    /// Approves it.
    Approve,
    /// Asks before a task is refused, and for what others hear of why.
    AskRefuse,
    /// Refuses it.
    Refuse,
    /// Every column of the bank's table.
    Data,
    /// The last lines of what left the bank.
    Left,
}

/// All of them; `{task}` stands for a task's hash.
pub const ROUTES: &[Route<Act>] = &[
    Route::open("/healthz", Act::Health),
    Route::open("/readyz", Act::Ready),
    Route::open("/metrics", Act::Metrics),
    Route::STYLE,
    Route::SCRIPT,
    Route::ICON,
    Route::file(
        "/assets/bank.css",
        "text/css; charset=utf-8",
        include_str!("style.css"),
    ),
    Route::file(
        "/assets/pictures.css",
        "text/css; charset=utf-8",
        veilsum_pictures::STYLE,
    ),
    Route::LOGIN,
    Route::look("/", Act::Page),
    Route::look("/events", Act::Events),
    Route::look("/data", Act::Data),
    Route::look("/left", Act::Left),
    Route::look("/task/{task}", Act::Task),
    Route::look("/task/{task}/approve", Act::AskApprove),
    Route::act("/task/{task}/approve", Act::Approve),
    Route::look("/task/{task}/refuse", Act::AskRefuse),
    Route::act("/task/{task}/refuse", Act::Refuse),
    Route::LOGOUT,
];
