//! What the system file says of TLS, as the gateway takes it.

use std::sync::Arc;

use floodway_gateway::{Back, BackOptions, ClientCertificates, Front, FrontOptions, KeyPair, Listen};
use floodway_policy::snapshot::Protocol;
use floodway_system::{CertificateFiles, ClientAuthority, Service, ServiceTls, System, Tls};

use crate::error::NodeError;

/// Reads all certificates and keys that a system names, and says which cannot be used. It blocks.
pub fn check_tls(system: &System) -> Result<(), NodeError> {
    listeners(system)?;
    backs(system).map(drop)
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
    let client = tls
        .client
        .as_ref()
        .map(|ClientAuthority { ca, required }| ClientCertificates { ca: ca.clone(), required: *required });
    let options = FrontOptions { certificates: tls.certificates.iter().map(pair).collect(), client };
    Front::load(options).map_err(|source| NodeError::Tls { source })
}

/// How TLS is spoken with each service, as far as it is.
pub(super) fn backs(system: &System) -> Result<Arc<[Option<Back>]>, NodeError> {
    system.services.iter().map(|service| back(service).transpose()).collect()
}

fn back(service: &Service) -> Option<Result<Back, NodeError>> {
    let ServiceTls { ca, name, own, verify } = service.tls.as_ref()?;
    let options = BackOptions {
        ca: ca.clone(),
        name: name.clone(),
        own: own.as_ref().map(pair),
        verify: *verify,
        http2: service.protocol == Protocol::Http2,
    };
    Some(Back::load(options).map_err(|source| NodeError::Tls { source }))
}

fn pair(CertificateFiles { cert, key }: &CertificateFiles) -> KeyPair {
    KeyPair { cert: cert.clone(), key: key.clone() }
}
