//! Every path that there is, and who may ask for it.

use veilsum_page::Route;

/// What is shown or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Whether the engine answers.
    Health,
    /// Whether banks are served.
    Ready,
    /// Metrics for Prometheus.
    Metrics,
    /// The consortium.
    Page,
    /// Its sections as they change.
    Events,
    /// One task.
    Task,
    /// The form for a new one.
    NewTask,
    /// What banks would read of it.
    CheckTask,
    /// Offers it.
    CreateTask,
    /// Asks before a task is paused.
    AskPause,
    /// Pauses it.
    Pause,
    /// Asks before it is resumed.
    AskResume,
    /// Resumes it.
    Resume,
    /// Asks before it is stopped.
    AskStop,
    /// Stops it.
    Stop,
}

/// All of them; `{task}` stands for a task's hash. `/task/new` is no hash.
pub const ROUTES: &[Route<Act>] = &[
    Route::open("/healthz", Act::Health),
    Route::open("/readyz", Act::Ready),
    Route::open("/metrics", Act::Metrics),
    Route::STYLE,
    Route::SCRIPT,
    Route::ICON,
    Route::file(
        "/assets/operator.css",
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
    Route::look("/task/new", Act::NewTask),
    Route::act("/task/check", Act::CheckTask),
    Route::act("/task/create", Act::CreateTask),
    Route::look("/task/{task}", Act::Task),
    Route::look("/task/{task}/pause", Act::AskPause),
    Route::act("/task/{task}/pause", Act::Pause),
    Route::look("/task/{task}/resume", Act::AskResume),
    Route::act("/task/{task}/resume", Act::Resume),
    Route::look("/task/{task}/stop", Act::AskStop),
    Route::act("/task/{task}/stop", Act::Stop),
    Route::LOGOUT,
];
