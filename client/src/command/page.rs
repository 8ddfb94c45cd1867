//! `page`: lets a browser in to the bank's page.

use std::path::Path;

use serde::Serialize;

use crate::app;
use crate::cli::Failure;
use crate::page::socket;

/// The address that lets one browser in.
#[derive(Debug, Serialize)]
pub(crate) struct Link {
    link: String,
}

impl Link {
    /// Lines for people.
    pub(crate) fn text(&self) -> String {
        format!(
            "{}\nopen it in a browser on this machine; it lets one browser in, once, and only in the next five minutes",
            self.link
        )
    }
}

/// Asks the folder's daemon for a link.
pub(crate) fn link(dir: &Path) -> Result<Link, Failure> {
    let config = app::config(dir)?;
    if config.page.listen.is_none() {
        return Err(Failure::usage(
            "this bank serves no page; set page.listen in bank.toml, such as \"127.0.0.1:7481\", and start the daemon again",
        ));
    }
    socket::ask(&config.state)
        .map(|link| Link { link })
        .map_err(Failure::try_again)
}
