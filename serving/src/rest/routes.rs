//! Every path that there is. The document at `/openapi.json` is made of the same table.

use hyper::Method;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Server,
    Live,
    Ready,
    Model,
    ModelReady,
    Infer,
    Explain,
    Index,
    Metrics,
    OpenApi,
    Page,
    Style,
    Script,
}

/// A path with its method.
pub(super) struct Route {
    pub(super) post: bool,
    /// A part in braces stands for any name.
    pub(super) path: &'static str,
    pub(super) act: Act,
    /// Whether it is answered to whoever reaches the address.
    pub(super) open: bool,
    pub(super) summary: &'static str,
}

const fn get(path: &'static str, act: Act, open: bool, summary: &'static str) -> Route {
    Route {
        post: false,
        path,
        act,
        open,
        summary,
    }
}

const fn post(path: &'static str, act: Act, summary: &'static str) -> Route {
    Route {
        post: true,
        path,
        act,
        open: false,
        summary,
    }
}

pub(super) const ROUTES: &[Route] = &[
    get(
        "/v2",
        Act::Server,
        false,
        "Name, version and extensions of the server",
    ),
    get("/v2/health/live", Act::Live, true, "Whether the server runs"),
    get("/v2/health/ready", Act::Ready, true, "Whether it takes requests"),
    get(
        "/v2/models/{model}",
        Act::Model,
        false,
        "Inputs, outputs and provenance of the current version",
    ),
    get(
        "/v2/models/{model}/ready",
        Act::ModelReady,
        false,
        "Whether the model can be asked",
    ),
    get(
        "/v2/models/{model}/versions/{version}",
        Act::Model,
        false,
        "Inputs, outputs and provenance of a version",
    ),
    get(
        "/v2/models/{model}/versions/{version}/ready",
        Act::ModelReady,
        false,
        "Whether a version of the model can be asked",
    ),
    post(
        "/v2/models/{model}/infer",
        Act::Infer,
        "Scores rows, by the version that stands for the model now",
    ),
    post(
        "/v2/models/{model}/versions/{version}/infer",
        Act::Infer,
        "Scores rows, by a version",
    ),
    post(
        "/v2/models/{model}/explain",
        Act::Explain,
        "Says of rows why their scores are what they are, by the version that stands for the model now",
    ),
    post(
        "/v2/models/{model}/versions/{version}/explain",
        Act::Explain,
        "Says of rows why their scores are what they are, by a version",
    ),
    post(
        "/v2/repository/index",
        Act::Index,
        "Every model with its versions",
    ),
    get(
        "/metrics",
        Act::Metrics,
        false,
        "Counts for Prometheus, as OpenMetrics text",
    ),
    get("/openapi.json", Act::OpenApi, true, "This document"),
    get(
        "/",
        Act::Page,
        true,
        "A page that shows the models and lets a person try a request",
    ),
    get("/assets/page.css", Act::Style, true, "The page's style"),
    get("/assets/page.js", Act::Script, true, "The page's script"),
];

/// What a path and a method lead to.
pub(super) enum Found<'p> {
    Route(&'static Route, Names<'p>),
    /// The path is there, by this method.
    OtherMethod(&'static str),
    Nothing,
}

/// The names in a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Names<'p> {
    pub(super) model: &'p str,
    pub(super) version: Option<&'p str>,
}

pub(super) fn find<'p>(method: &Method, path: &'p str) -> Found<'p> {
    let mut other = Found::Nothing;
    for route in ROUTES {
        let Some(names) = names(route.path, path) else {
            continue;
        };
        let fits = if route.post {
            method == Method::POST
        } else {
            method == Method::GET || method == Method::HEAD
        };
        if fits {
            return Found::Route(route, names);
        }
        other = Found::OtherMethod(if route.post { "POST" } else { "GET, HEAD" });
    }
    other
}

fn names<'p>(pattern: &str, path: &'p str) -> Option<Names<'p>> {
    let mut names = Names::default();
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(names),
            (Some("{model}"), Some(name)) if !name.is_empty() => names.model = name,
            (Some("{version}"), Some(name)) if !name.is_empty() => names.version = Some(name),
            (Some(wanted), Some(found)) if wanted == found => {}
            _ => return None,
        }
    }
}
