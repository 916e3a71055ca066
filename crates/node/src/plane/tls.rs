//! What the system file says of TLS, as the gateway takes it.

use floodway_gateway::{ClientCertificates, Front, FrontOptions, KeyPair, Listen};
use floodway_system::{CertificateFiles, ClientAuthority, System, Tls};

use crate::error::NodeError;

/// Reads all certificates and keys that a system names, and says which cannot be used. It blocks.
pub fn check_tls(system: &System) -> Result<(), NodeError> {
    listeners(system).map(drop)
}

/// Where the gateway takes connections.
pub(super) fn listeners(system: &System) -> Result<Vec<Listen>, NodeError> {
    let Some(gateway) = &system.gateway else { return Ok(Vec::new()) };
    let front = gateway.tls.as_ref().map(front).transpose()?;
    let listen = |listen: &floodway_system::Listen| Listen {
        address: listen.address,
        proxy_protocol: listen.proxy_protocol,
        tls: front.clone().filter(|_| listen.tls),
    };
    Ok(gateway.listen.iter().map(listen).collect())
}

fn front(tls: &Tls) -> Result<Front, NodeError> {
    let pair = |CertificateFiles { cert, key }: &_| KeyPair { cert: cert.clone(), key: key.clone() };
    let client = tls
        .client
        .as_ref()
        .map(|ClientAuthority { ca, required }| ClientCertificates { ca: ca.clone(), required: *required });
    let options = FrontOptions { certificates: tls.certificates.iter().map(pair).collect(), client };
    Front::load(options).map_err(|source| NodeError::Tls { source })
}
