//! The paths that there are, and who may ask for them.

use hyper::Method;

/// Who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Whoever reaches the address.
    None,
    /// A browser that came in by a link which the daemon's own command line printed.
    Operator,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<A> {
    /// Lets a browser in; its key is the one-time word in the link.
    Login,
    Logout,
    /// A file of the program: its media type and text.
    File(&'static str, &'static str),
    /// What the daemon knows of.
    Site(A),
}

/// A path and its method.
#[derive(Clone, Copy, Debug)]
pub struct Route<A: 'static> {
    /// `GET` also answers `HEAD`.
    pub method: &'static str,
    /// The path; a part in braces stands for a hash in hexadecimal.
    pub path: &'static str,
    /// Who may ask.
    pub role: Role,
    pub(crate) step: Step<A>,
}

impl<A: 'static> Route<A> {
    /// Where a link leads.
    pub const LOGIN: Self = Self::new("GET", "/login", Role::None, Step::Login);
    /// Where a browser gives its session up.
    pub const LOGOUT: Self = Self::new("POST", "/logout", Role::Operator, Step::Logout);
    /// The style of every page.
    pub const STYLE: Self = Self::file(
        "/assets/page.css",
        "text/css; charset=utf-8",
        include_str!("page.css"),
    );
    /// The script that keeps a page up to date and asks before anything is done.
    pub const SCRIPT: Self = Self::file(
        "/assets/script.js",
        "text/javascript; charset=utf-8",
        include_str!("script.js"),
    );
    /// The icon in the browser's tab.
    pub const ICON: Self = Self::file("/assets/icon.svg", "image/svg+xml", include_str!("icon.svg"));

    /// Answers whoever reaches the address.
    pub const fn open(path: &'static str, act: A) -> Self {
        Self::new("GET", path, Role::None, Step::Site(act))
    }

    /// Shows something to who is logged in, and changes nothing.
    pub const fn look(path: &'static str, act: A) -> Self {
        Self::new("GET", path, Role::Operator, Step::Site(act))
    }

    /// Does something for who is logged in.
    pub const fn act(path: &'static str, act: A) -> Self {
        Self::new("POST", path, Role::Operator, Step::Site(act))
    }

    /// A file of the program, for whoever reaches the address.
    pub const fn file(path: &'static str, kind: &'static str, text: &'static str) -> Self {
        Self::new("GET", path, Role::None, Step::File(kind, text))
    }

    const fn new(method: &'static str, path: &'static str, role: Role, step: Step<A>) -> Self {
        Self {
            method,
            path,
            role,
            step,
        }
    }
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Found<'a, A: 'static> {
    /// A route, with the part of the path that stands for a hash, empty where there is none.
    Route(&'static Route<A>, &'a str),
    /// The path is known for other methods.
    OtherMethod,
    /// There is no such path.
    Nothing,
}

/// Looks a request up. The first that fits counts.
pub(crate) fn find<'a, A: 'static>(
    routes: &'static [Route<A>],
    method: &Method,
    path: &'a str,
) -> Found<'a, A> {
    let method = if *method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let mut known = false;
    for route in routes {
        let Some(hash) = fits(route.path, path) else {
            continue;
        };
        if route.method == method {
            return Found::Route(route, hash);
        }
        known = true;
    }
    if known { Found::OtherMethod } else { Found::Nothing }
}

fn fits<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    let mut hash = "";
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(hash),
            (Some(wanted), Some(part)) if wanted.starts_with('{') => {
                if !is_hash(part) {
                    return None;
                }
                hash = part;
            }
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

    #[derive(Debug, Clone, Copy)]
    enum Act {
        Page,
        Metrics,
        New,
        Task,
        Stop,
    }

    const ROUTES: &[Route<Act>] = &[
        Route::open("/metrics", Act::Metrics),
        Route::STYLE,
        Route::look("/", Act::Page),
        Route::look("/task/new", Act::New),
        Route::look("/task/{task}", Act::Task),
        Route::act("/task/{task}/stop", Act::Stop),
    ];

    #[test]
    fn a_path_is_found_with_its_hash_and_nothing_else_is() {
        let hash = "ab".repeat(32);
        let found = |method: Method, path: &str| match find(ROUTES, &method, path) {
            Found::Route(route, hash) => match route.step {
                Step::Site(act) => format!("{act:?} {}", hash.len()),
                _ => "a file".to_owned(),
            },
            Found::OtherMethod => "other method".to_owned(),
            Found::Nothing => "nothing".to_owned(),
        };
        assert_eq!(found(Method::GET, "/"), "Page 0");
        assert_eq!(found(Method::HEAD, "/metrics"), "Metrics 0");
        assert_eq!(found(Method::GET, "/assets/page.css"), "a file");
        assert_eq!(found(Method::GET, "/task/new"), "New 0");
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
            "/task/{task}",
            "//",
            "/assets/",
            "/metrics/",
        ] {
            assert_eq!(found(Method::GET, path), "nothing", "{path}");
        }
    }
}
