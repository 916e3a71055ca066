//! Which certificate a client is shown.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

/// Chooses by the name that the client asks for (SNI, RFC 6066 §3): the certificate for just that name, else
/// one for all names beside it, else the first of all. Among several for one name, as of RSA and of
/// ECDSA, it is the first that the client can check.
#[derive(Debug)]
pub(super) struct ByName {
    names: HashMap<String, Vec<Arc<CertifiedKey>>>,
    all: Vec<Arc<CertifiedKey>>,
}

impl ByName {
    /// In the order in which they are preferred.
    ///
    /// # Errors
    /// The place of one that cannot be read, and why.
    pub(super) fn new(certificates: Vec<CertifiedKey>) -> Result<Self, (usize, webpki::Error)> {
        let all: Vec<_> = certificates.into_iter().map(Arc::new).collect();
        let mut names = HashMap::<_, Vec<_>>::new();
        for (place, certificate) in all.iter().enumerate() {
            let leaf = EndEntityCert::try_from(&certificate.cert[0]).map_err(|error| (place, error))?;
            for name in leaf.valid_dns_names() {
                names.entry(name.to_ascii_lowercase()).or_default().push(Arc::clone(certificate));
            }
        }
        Ok(Self { names, all })
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let exact = name.and_then(|name| self.names.get(name));
        let beside = || {
            let (_, rest) = name?.split_once('.')?;
            self.names.get(&format!("*.{rest}"))
        };
        let named = exact.or_else(beside).map_or(&[][..], Vec::as_slice);
        let can_check = |certificate: &&Arc<CertifiedKey>| certificate.key.choose_scheme(schemes).is_some();
        named.iter().chain(&self.all).find(can_check).cloned()
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls has it in lower case.
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}
