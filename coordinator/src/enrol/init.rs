//! `init`: makes the operator's folder with the authority, the coordinator's keys and a commented configuration.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rcgen::{KeyPair, PKCS_ED25519};
use serde::Serialize;
use time::OffsetDateTime;
use veilsum_admission::keyfile;
use veilsum_protocol::consortium::{CONSORTIUM_VERSION, Consortium};
use veilsum_protocol::enrolment::Role;
use veilsum_protocol::log::VerifierKey;
use veilsum_protocol::roster::check_consortium_name;

use super::admitted::ADMITTED_FILE;
use super::ca::Authority;
use super::own_authority::{self, OwnAuthority};
use super::readers;
use super::{EnrolError, inspect};

/// Name of the configuration file in the operator's folder.
pub const CONFIG_FILE: &str = "coordinator.toml";
/// Name of the consortium file in the operator's folder and in each admission.
pub const CONSORTIUM_FILE: &str = "consortium.toml";

/// Where things lie in the operator's folder.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The layout under a folder.
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.root.join(CONFIG_FILE)
    }

    /// The consortium file, to which enrolment adds banks.
    pub fn consortium(&self) -> PathBuf {
        self.root.join(CONSORTIUM_FILE)
    }

    /// What is handed to a bank.
    pub fn admission(&self, bank: &str) -> PathBuf {
        self.root.join("admissions").join(bank)
    }

    /// Which banks have a certificate and are not in the roster yet.
    pub fn admitted(&self) -> PathBuf {
        self.root.join(ADMITTED_FILE)
    }

    /// Which auditors may read log and archive, or which operators have the operator's page from elsewhere.
    pub fn readers(&self, role: Role) -> PathBuf {
        self.root.join(readers::file_name(role))
    }

    /// What is handed to an auditor or operator.
    pub fn reader_admission(&self, role: Role, name: &str) -> PathBuf {
        self.root.join("admissions").join(format!("{role}s")).join(name)
    }

    /// A file of the identity folder: `ca.crt.pem`, `ca.key.pem`, `server.crt.pem`, `server.key.pem`, `log.key.pem`.
    pub fn identity(&self, file: &str) -> PathBuf {
        self.root.join("identity").join(file)
    }
}

/// What the operator asks for.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// Name of the consortium and origin of its log.
    pub name: String,
    /// Where the coordinator will listen (UDP and TCP).
    pub listen: SocketAddr,
    /// Names and addresses under which banks reach it; the first goes into the consortium file.
    pub hosts: Vec<String>,
    /// The folder to make.
    pub dir: PathBuf,
    /// Validity of the coordinator's certificate, in days.
    pub days: u32,
}

/// What was made.
#[derive(Debug, Clone, Serialize)]
pub struct InitReport {
    /// Name of the consortium.
    pub name: String,
    /// Where banks reach the coordinator.
    pub address: String,
    /// The log's verifier key.
    pub log_key: String,
    /// SHA-256 of the authority's certificate in DER, as every invitation carries it.
    pub authority_sha256: String,
    /// The configuration file.
    pub config: PathBuf,
}

/// Makes the folder with an authority of its own. Nothing that exists is overwritten.
///
/// # Errors
/// [`EnrolError::Exists`] if the folder holds an identity or a configuration already; otherwise what could not be made.
pub fn init(options: &InitOptions, now: OffsetDateTime) -> Result<InitReport, EnrolError> {
    init_with(options, None, now)
}

/// The same with the consortium's own authority, whose key is copied into the folder.
///
/// # Errors
/// As [`init`], and what is wrong with the authority.
pub fn init_with(
    options: &InitOptions,
    own: Option<&OwnAuthority>,
    now: OffsetDateTime,
) -> Result<InitReport, EnrolError> {
    let name = &options.name;
    check_consortium_name(name).map_err(|error| EnrolError::Argument(error.to_string()))?;
    let Some(host) = options.hosts.first() else {
        return Err(EnrolError::Argument(
            "--host: at least one name or address under which banks reach it".to_owned(),
        ));
    };
    if options.listen.port() == 0 {
        return Err(EnrolError::Argument(
            "--listen: port 0, expected the port that banks will dial".to_owned(),
        ));
    }
    let folder = Folder::at(&options.dir);
    for path in [folder.config(), folder.consortium(), folder.identity("")] {
        if path.exists() {
            return Err(EnrolError::Exists { path });
        }
    }

    // Everything that can be refused is made before the first file is written.
    let new = match own {
        None => Authority::create(name, now)?,
        Some(own) => own_authority::read(own, now)?,
    };
    let (ca_pem, ca_key_pem) = (
        new.certificate_pem,
        zeroize::Zeroizing::new(new.key.serialize_pem()),
    );
    let authority = Authority::from_pem(&ca_pem, new.key)?;
    let server_key = KeyPair::generate().map_err(EnrolError::make("the coordinator's TLS key"))?;
    let server = authority.issue_server(&server_key, &options.hosts, options.days, now)?;
    // As every bank will: an authority of one's own may have constraints that no other check here knows.
    inspect::verify_server(server.as_bytes(), ca_pem.as_bytes(), host, now.unix_timestamp()).map_err(
        |problem| {
            EnrolError::Argument(format!(
                "banks would not accept certificates of this authority: {problem}"
            ))
        },
    )?;
    let log_key = KeyPair::generate_for(&PKCS_ED25519).map_err(EnrolError::make("the log's key"))?;
    let public: [u8; 32] = log_key
        .public_key_raw()
        .try_into()
        .map_err(EnrolError::make("the log's key"))?;
    let consortium = Consortium {
        version: CONSORTIUM_VERSION,
        name: name.clone(),
        address: address(host, options.listen.port()),
        server_name: host.clone(),
        log_key: VerifierKey::new(name, public).map_err(EnrolError::make("the log's key"))?,
        ca_pem,
        banks: Vec::new(),
    };
    let text = consortium
        .to_toml()
        .map_err(EnrolError::make("the consortium file"))?;

    let identity = folder.identity("");
    fs::create_dir_all(&options.dir).map_err(EnrolError::file(&options.dir))?;
    fs::create_dir(&identity).map_err(EnrolError::file(&identity))?;
    keyfile::write_private(&folder.identity("ca.key.pem"), ca_key_pem.as_bytes())?;
    for (file, key) in [("server.key.pem", server_key), ("log.key.pem", log_key)] {
        keyfile::write_private(
            &folder.identity(file),
            zeroize::Zeroizing::new(key.serialize_pem()).as_bytes(),
        )?;
    }
    keyfile::replace(&folder.identity("ca.crt.pem"), consortium.ca_pem.as_bytes())?;
    keyfile::replace(&folder.identity("server.crt.pem"), server.as_bytes())?;
    keyfile::replace(&folder.consortium(), text.as_bytes())?;
    keyfile::replace(
        &folder.config(),
        crate::config::template(options.listen).as_bytes(),
    )?;
    Ok(InitReport {
        name: name.clone(),
        authority_sha256: super::invite::authority_digest(&consortium.ca_pem)
            .map_err(EnrolError::make("the authority's certificate"))?
            .to_hex(),
        address: consortium.address,
        log_key: consortium.log_key.to_string(),
        config: folder.config(),
    })
}

fn address(host: &str, port: u16) -> String {
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(v6) => format!("[{v6}]:{port}"),
        Err(_) => format!("{host}:{port}"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::enrol::inspect::verify_server;

    pub(crate) fn options(dir: &Path) -> InitOptions {
        InitOptions {
            name: "demo".to_owned(),
            listen: "127.0.0.1:7443".parse().unwrap(),
            hosts: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            dir: dir.join("coordinator"),
            days: 90,
        }
    }

    #[test]
    fn the_folder_is_complete_and_is_not_made_twice() {
        let scratch = tempfile::tempdir().unwrap();
        let options = options(scratch.path());
        let now = OffsetDateTime::now_utc();
        let report = init(&options, now).unwrap();
        assert_eq!(report.address, "localhost:7443");
        let folder = Folder::at(&options.dir);
        for key in ["ca.key.pem", "server.key.pem", "log.key.pem"] {
            keyfile::read_private(&folder.identity(key)).unwrap();
        }
        let read = |path| fs::read(path).unwrap();
        let (server, ca) = (
            read(folder.identity("server.crt.pem")),
            read(folder.identity("ca.crt.pem")),
        );
        verify_server(&server, &ca, "127.0.0.1", now.unix_timestamp()).unwrap();
        crate::config::Config::load(&folder.config(), []).unwrap();
        let before = read(folder.consortium());
        assert!(matches!(init(&options, now), Err(EnrolError::Exists { .. })));
        assert_eq!(read(folder.consortium()), before);
    }

    #[test]
    fn a_refusal_leaves_nothing_behind() {
        let scratch = tempfile::tempdir().unwrap();
        let good = options(scratch.path());
        let now = OffsetDateTime::now_utc();
        for bad in [
            InitOptions {
                name: "De mo".to_owned(),
                ..good.clone()
            },
            InitOptions {
                hosts: vec![],
                ..good.clone()
            },
            InitOptions {
                hosts: vec!["a b".to_owned()],
                ..good.clone()
            },
            InitOptions {
                days: 0,
                ..good.clone()
            },
            InitOptions {
                listen: "127.0.0.1:0".parse().unwrap(),
                ..good.clone()
            },
        ] {
            assert!(matches!(init(&bad, now), Err(EnrolError::Argument(_))));
            assert!(!good.dir.exists());
        }
    }

    #[test]
    fn an_ipv6_address_is_bracketed() {
        assert_eq!(address("::1", 1), "[::1]:1");
        assert_eq!(address("10.0.0.1", 1), "10.0.0.1:1");
    }
}
