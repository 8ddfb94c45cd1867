//! The time before there is a roster: banks and auditors are enrolled, and nothing else can be done.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use veilsum_protocol::consortium::Consortium;

use crate::app::{RunError, check_certificate, configuration, consortium_text};
use crate::config::Config;
use crate::enrol::desk::Desk;
use crate::transport::{ServerIdentity, serve_desk};

/// Between two looks at the consortium file, which `form` writes.
const LOOK: Duration = Duration::from_millis(500);

/// How the time before the roster ended.
pub(crate) enum Ended {
    /// There is a roster.
    Formed,
    /// The operator stopped the daemon.
    Stopped,
}

/// Returns at once if there is a roster. Otherwise serves those who ask to be enrolled until there is one, or until `signalled`.
pub(crate) async fn wait(
    dir: &Path,
    config: &Config,
    signalled: impl Future<Output = ()>,
) -> Result<Ended, RunError> {
    let path = &config.identity.consortium;
    let Some(consortium) = without_banks(&consortium_text(path).map_err(RunError::Configuration)?) else {
        return Ok(Ended::Formed);
    };
    check_certificate(config, &consortium)?;
    let identity = ServerIdentity::load(
        &config.identity.certificate,
        &config.identity.key,
        &consortium.ca_pem,
    )
    .map_err(configuration)?;
    let desk = Desk::new(dir).renewing(config.enrolment.renewal);
    let name = &consortium.name;
    let bound = |address| {
        tracing::info!("{name} has no roster yet: its banks and auditors are enrolled on {address}, TCP");
    };
    let mut ended = Ended::Stopped;
    let stop = async {
        tokio::select! {
            () = signalled => {}
            () = formed(path, &desk) => ended = Ended::Formed,
        }
    };
    serve_desk(
        config.listen,
        &identity,
        &config.limits,
        desk.clone(),
        bound,
        stop,
    )
    .await?;
    if matches!(ended, Ended::Formed) {
        tracing::info!("the roster is fixed; the coordinator goes into service");
    }
    Ok(ended)
}

/// The file, if it is one of a consortium that has no banks yet. Whatever else is wrong with it is told by whoever needs it.
pub(crate) fn without_banks(text: &str) -> Option<Consortium> {
    let file: Consortium = toml::from_str(text).ok()?;
    file.banks.is_empty().then_some(file)
}

/// Waits for the roster, and says what it waits for whenever that is something else.
async fn formed(path: &Path, desk: &Desk) {
    let mut told = String::new();
    loop {
        match desk.waits_for() {
            Ok(now) if now != told => {
                tracing::info!("{now}");
                told = now;
            }
            Ok(_) => {}
            Err(error) => {
                let now = error.to_string();
                if now != told {
                    tracing::error!("{now}");
                    told = now;
                }
            }
        }
        if std::fs::read_to_string(path).is_ok_and(|text| without_banks(&text).is_none()) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
