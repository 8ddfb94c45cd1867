//! How the bank reaches the coordinator.

use std::path::Path;

use veilsum_admission::keyfile;
use veilsum_protocol::consortium::Consortium;
use veilsum_protocol::crypto::entropy::{Entropy as _, SystemEntropy};
use zeroize::Zeroizing;

use super::{AppError, BankIdentity};
use crate::config::{self, Config};
use crate::egress::Ledger;
use crate::renewal::Renewal;
use crate::transport::{LinkOptions, Positions, Proxy};

/// Which way to the coordinator worked, in the state's folder.
const WAY_FILE: &str = "way.json";

/// The variable with the password for `link.proxy_user`.
const PROXY_PASSWORD: &str = "VEILSUM_PROXY_PASSWORD";

/// What the link needs.
///
/// # Errors
/// [`AppError::Key`] if the proxy's password cannot be read, or others may read it.
pub fn link_options(
    config: &Config,
    consortium: &Consortium,
    identity: &BankIdentity,
) -> Result<LinkOptions, AppError> {
    let mut seed = [0; 8];
    SystemEntropy::new().fill(&mut seed);
    Ok(LinkOptions {
        address: consortium.address.clone(),
        server_name: consortium.server_name.clone(),
        ca_pem: consortium.ca_pem.clone().into_bytes(),
        certificate: identity.certificate_pem.clone().into(),
        key_pkcs8: identity.tls_key.clone(),
        positions: Positions::of([identity.position]),
        limits: config.link.clone(),
        proxy: proxy(&config.link)?,
        memory: Some(config.state.join(WAY_FILE)),
        seed: u64::from_le_bytes(seed),
        ledger: Ledger::in_memory(),
    })
}

/// How the bank's certificate is renewed.
pub fn renewal(config: &Config, consortium: &Consortium, options: &LinkOptions) -> Renewal {
    Renewal::new(
        consortium,
        config.identity.certificate.clone(),
        options.certificate.clone(),
        options.key_pkcs8.clone(),
        options.limits.clone(),
        options.proxy.clone(),
    )
}

/// The proxy of `link.proxy`, with what lets the bank through.
///
/// # Errors
/// [`AppError::Key`] if its password cannot be read, or others may read it.
pub fn proxy(link: &config::Link) -> Result<Option<Proxy>, AppError> {
    let Some(address) = link.proxy_address() else {
        return Ok(None);
    };
    if link.proxy_user.is_empty() {
        return Ok(Some(Proxy::new(address.to_owned(), None)));
    }
    let password = match std::env::var(PROXY_PASSWORD) {
        Ok(password) => Zeroizing::new(password),
        Err(_) if link.proxy_password_file == Path::new("") => Zeroizing::default(),
        Err(_) => {
            let bytes = keyfile::read_private(&link.proxy_password_file)?;
            Zeroizing::new(
                String::from_utf8_lossy(&bytes)
                    .trim_end_matches(['\r', '\n'])
                    .to_owned(),
            )
        }
    };
    Ok(Some(Proxy::new(
        address.to_owned(),
        Some((&link.proxy_user, &password)),
    )))
}
