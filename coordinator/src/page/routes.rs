//! Every path that there is, and who may ask for it.

use hyper::Method;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Whoever reaches the address.
    None,
    /// A browser that came in by a link of `veilsum-coordinator page`.
    Operator,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Health,
    Ready,
    Metrics,
    Style,
    Pictures,
    Script,
    Icon,
    Login,
    Logout,
    Page,
    Events,
    Task,
    NewTask,
    CheckTask,
    CreateTask,
    AskPause,
    Pause,
    AskResume,
    Resume,
    AskStop,
    Stop,
}

/// A path and its method.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// `GET` also answers `HEAD`.
    pub method: &'static str,
    /// The path; `{task}` stands for a task's hash.
    pub path: &'static str,
    /// Who may ask.
    pub role: Role,
    pub(super) act: Act,
}

const fn route(method: &'static str, path: &'static str, role: Role, act: Act) -> Route {
    Route {
        method,
        path,
        role,
        act,
    }
}

/// All of them.
pub const ROUTES: &[Route] = &[
    route("GET", "/healthz", Role::None, Act::Health),
    route("GET", "/readyz", Role::None, Act::Ready),
    route("GET", "/metrics", Role::None, Act::Metrics),
    route("GET", "/assets/style.css", Role::None, Act::Style),
    route("GET", "/assets/pictures.css", Role::None, Act::Pictures),
    route("GET", "/assets/script.js", Role::None, Act::Script),
    route("GET", "/assets/icon.svg", Role::None, Act::Icon),
    // Its key is the one-time word in the link.
    route("GET", "/login", Role::None, Act::Login),
    route("GET", "/", Role::Operator, Act::Page),
    route("GET", "/events", Role::Operator, Act::Events),
    route("GET", "/task/new", Role::Operator, Act::NewTask),
    route("POST", "/task/check", Role::Operator, Act::CheckTask),
    route("POST", "/task/create", Role::Operator, Act::CreateTask),
    route("GET", "/task/{task}", Role::Operator, Act::Task),
    route("GET", "/task/{task}/pause", Role::Operator, Act::AskPause),
    route("POST", "/task/{task}/pause", Role::Operator, Act::Pause),
    route("GET", "/task/{task}/resume", Role::Operator, Act::AskResume),
    route("POST", "/task/{task}/resume", Role::Operator, Act::Resume),
    route("GET", "/task/{task}/stop", Role::Operator, Act::AskStop),
    route("POST", "/task/{task}/stop", Role::Operator, Act::Stop),
    route("POST", "/logout", Role::Operator, Act::Logout),
];

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A route, with the part of the path that stands for the task, empty where there is none.
    Route(&'static Route, &'a str),
    /// The path is known for other methods.
    OtherMethod,
    /// There is no such path.
    Nothing,
}

/// Looks a request up. The first that fits counts, so `/task/new` is no task.
pub(super) fn find<'a>(method: &Method, path: &'a str) -> Found<'a> {
    let method = if *method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let mut known = false;
    for route in ROUTES {
        let Some(task) = fits(route.path, path) else {
            continue;
        };
        if route.method == method {
            return Found::Route(route, task);
        }
        known = true;
    }
    if known { Found::OtherMethod } else { Found::Nothing }
}

fn fits<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    let mut task = "";
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(task),
            (Some("{task}"), Some(part)) if is_hash(part) => task = part,
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => return None,
        }
    }
}

fn is_hash(part: &str) -> bool {
    part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_with_its_task_and_nothing_else_is() {
        let hash = "ab".repeat(32);
        let found = |method: Method, path: &str| match find(&method, path) {
            Found::Route(route, task) => format!("{:?} {}", route.act, task.len()),
            Found::OtherMethod => "other method".to_owned(),
            Found::Nothing => "nothing".to_owned(),
        };
        assert_eq!(found(Method::GET, "/"), "Page 0");
        assert_eq!(found(Method::HEAD, "/metrics"), "Metrics 0");
        assert_eq!(found(Method::GET, "/task/new"), "NewTask 0");
        assert_eq!(found(Method::GET, &format!("/task/{hash}")), "Task 64");
        assert_eq!(found(Method::POST, &format!("/task/{hash}/stop")), "Stop 64");
        assert_eq!(found(Method::POST, &format!("/task/{hash}")), "other method");
        assert_eq!(found(Method::PUT, "/metrics"), "other method");
        for path in [
            "",
            "/task",
            "/task/",
            "/task/../metrics",
            "/task/credit/stop",
            "//",
            "/assets/",
            "/metrics/",
        ] {
            assert_eq!(found(Method::GET, path), "nothing", "{path}");
        }
    }
}
