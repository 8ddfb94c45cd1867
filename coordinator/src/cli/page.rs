//! Lets a browser in to the operator's page.

use std::path::Path;

use serde_json::json;

use super::{Failure, load, print, unexpected};
use crate::admin::{self, Answer, Request};

pub(super) fn execute(dir: &Path, json: bool) -> Result<(), Failure> {
    match admin::ask(&load(dir)?.folders.data, &Request::Login)? {
        Answer::Link(link) => print(json, &json!({ "link": link }), || {
            format!(
                "{link}\nopen it in a browser on this machine; it lets one browser in, once, and only in the next five minutes"
            )
        }),
        other => Err(unexpected(other)),
    }
}
