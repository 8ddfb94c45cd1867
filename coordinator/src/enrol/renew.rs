//! `renew`: another certificate for the coordinator's own key, before the old one expires or for other host names.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::KeyPair;
use serde::Serialize;
use time::OffsetDateTime;
use veilsum_admission::keyfile;
use veilsum_protocol::consortium::Consortium;

use super::ca::Authority;
use super::init::Folder;
use super::issue::has_authority;
use super::renewal::days_of;
use super::{EnrolError, inspect};
use crate::config::Identity;

/// What was issued.
#[derive(Debug, Clone, Serialize)]
pub struct RenewReport {
    /// The certificate that was replaced.
    pub certificate: PathBuf,
    /// The host names and IP addresses that it is for.
    pub hosts: Vec<String>,
    /// Days that it is valid.
    pub days: u32,
}

/// Issues a certificate for the coordinator's present key, valid for `days`, in place of the present one. Banks notice nothing: they pin
/// the authority and the name. A running coordinator shows it within a second.
///
/// `hosts` are the names that it is for; none means those of the present certificate.
///
/// # Errors
/// [`EnrolError`] with the file or argument at fault; nothing is replaced then.
pub fn renew(
    dir: &Path,
    files: &Identity,
    hosts: &[String],
    days: u32,
    now: OffsetDateTime,
) -> Result<RenewReport, EnrolError> {
    let folder = Folder::at(dir);
    let authority = Authority::load(&folder.identity("ca.crt.pem"), &folder.identity("ca.key.pem"))?;
    let path = &files.consortium;
    let text = fs::read_to_string(path).map_err(EnrolError::file(path))?;
    // A consortium that has no banks yet has a server name all the same.
    let consortium: Consortium = toml::from_str(&text).map_err(|error| EnrolError::content(path, error))?;
    let hosts = match hosts {
        [] => present_hosts(&files.certificate)?,
        named => named.to_vec(),
    };
    let key_pem = keyfile::read_private(&files.key)?;
    let key = std::str::from_utf8(&key_pem)
        .map_err(|error| error.to_string())
        .and_then(|pem| KeyPair::from_pem(pem).map_err(|error| error.to_string()))
        .map_err(|problem| EnrolError::content(&files.key, problem))?;
    let certificate = authority.issue_server(&key, &hosts, days, now)?;
    // As every bank will: by the authority that it pinned, which may be another than the one that lies here.
    inspect::verify_server(
        certificate.as_bytes(),
        consortium.ca_pem.as_bytes(),
        &consortium.server_name,
        now.unix_timestamp(),
    )
    .map_err(|problem| {
        EnrolError::Argument(format!(
            "banks would not accept the new certificate: {problem}; they expect {:?}, which --host must name, from the authority in {}",
            consortium.server_name,
            path.display()
        ))
    })?;
    keyfile::replace(&files.certificate, certificate.as_bytes())?;
    Ok(RenewReport {
        certificate: files.certificate.clone(),
        hosts,
        days,
    })
}

/// Whether the authority's key is on this machine.
pub fn is_possible(dir: &Path) -> bool {
    has_authority(dir)
}

/// The same for the hosts and as many days as the present certificate has, or as the authority still lasts.
///
/// # Errors
/// As [`renew`].
pub fn renew_alike(dir: &Path, files: &Identity, now: OffsetDateTime) -> Result<RenewReport, EnrolError> {
    let path = &files.certificate;
    let pem = fs::read(path).map_err(EnrolError::file(path))?;
    let facts = inspect::facts_of_pem(&pem).map_err(|problem| EnrolError::content(path, problem))?;
    let folder = Folder::at(dir);
    let authority = Authority::load(&folder.identity("ca.crt.pem"), &folder.identity("ca.key.pem"))?;
    let days = days_of(&facts).min(authority.days_left(now));
    renew(dir, files, &facts.hosts, days, now)
}

fn present_hosts(certificate: &Path) -> Result<Vec<String>, EnrolError> {
    let pem = fs::read(certificate)
        .map_err(|error| EnrolError::content(certificate, format!("{error}; name the hosts with --host")))?;
    let facts = inspect::facts_of_pem(&pem).map_err(|problem| {
        EnrolError::content(certificate, format!("{problem}; name the hosts with --host"))
    })?;
    Ok(facts.hosts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::enrol::init::{init, tests::options};

    #[test]
    fn a_renewed_certificate_has_the_old_key_and_names_and_lasts_longer() {
        let scratch = tempfile::tempdir().unwrap();
        let options = options(scratch.path());
        let then = OffsetDateTime::now_utc() - Duration::days(200);
        init(&options, then).unwrap();
        let config = Config::load(&Folder::at(&options.dir).config(), []).unwrap();
        let files = &config.identity;
        let facts = || inspect::facts_of_pem(&fs::read(&files.certificate).unwrap()).unwrap();
        let (old, now) = (facts(), OffsetDateTime::now_utc());
        assert!(old.days_left(now.unix_timestamp()) < 0);

        let report = renew(&options.dir, files, &[], 90, now).unwrap();
        assert_eq!(report.hosts, ["localhost", "127.0.0.1"]);
        let new = facts();
        assert_eq!((new.tls_key, &new.hosts), (old.tls_key, &old.hosts));
        assert_eq!(new.days_left(now.unix_timestamp()), 90);

        let other = renew(&options.dir, files, &["other.example".to_owned()], 90, now).unwrap_err();
        assert!(
            other.is_usage() && other.to_string().contains("\"localhost\""),
            "{other}"
        );
        assert_eq!(facts(), new, "a refusal replaces nothing");
        fs::remove_file(&files.certificate).unwrap();
        let unnamed = renew(&options.dir, files, &[], 90, now).unwrap_err();
        assert!(unnamed.to_string().contains("--host"), "{unnamed}");
        renew(&options.dir, files, &["localhost".to_owned()], 90, now).unwrap();
    }
}
