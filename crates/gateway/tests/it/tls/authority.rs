//! Certificates made for a test, and clients that trust them.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use floodway_gateway::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned, SupportedProtocolVersion,
};
use tempfile::TempDir;

use crate::support::connect;

pub(crate) type TlsClient = StreamOwned<ClientConnection, TcpStream>;

/// Issues certificates into a folder of its own.
pub(crate) struct Authority {
    folder: TempDir,
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, rcgen::KeyPair>,
}

/// How a client connects.
pub(crate) struct Dial {
    config: ClientConfig,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("written");
        Self { folder, certificate, issuer: Issuer::new(params, key) }
    }

    /// The file of its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.path("ca.pem")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for these names, in files that are called after the first.
    pub(crate) fn issue(&self, names: &[&str]) -> KeyPair {
        self.issue_as(&names[0].replace('*', "all"), names)
    }

    /// The same in files called `file`. Readers see the old ones or the new, each as a whole.
    pub(crate) fn issue_as(&self, file: &str, names: &[&str]) -> KeyPair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).expect("names");
        params.distinguished_name.push(DnType::CommonName, names[0].as_str());
        params.distinguished_name.push(DnType::OrganizationName, "Shop \"1\", Ltd");
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let (cert, key_file) = (self.path(&format!("{file}.pem")), self.path(&format!("{file}.key")));
        self.replace(&key_file, &key.serialize_pem());
        self.replace(&cert, &certificate.pem());
        KeyPair { cert, key: key_file }
    }

    /// What a service by TLS shows, and whose certificates it asks for.
    pub(crate) fn server(&self, names: &[&str], clients: Option<&Self>) -> ServerConfig {
        let own = self.issue(names);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.certificate.der().clone()).expect("an authority");
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier"))
            }
        };
        builder.with_single_cert(vec![first(&own.cert)], key(&own.key)).expect("a certificate")
    }

    pub(crate) fn replace(&self, path: &Path, text: &str) {
        let fresh = self.path("fresh");
        fs::write(&fresh, text).expect("written");
        fs::rename(fresh, path).expect("renamed");
    }

    /// Clients that trust this authority, and show a certificate where one is given.
    pub(crate) fn dial(&self, own: Option<&KeyPair>) -> Dial {
        self.dial_by(&[&TLS12, &TLS13], own)
    }

    pub(crate) fn dial_by(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        own: Option<&KeyPair>,
    ) -> Dial {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => builder.with_client_auth_cert(vec![first(&own.cert)], key(&own.key)).expect("a key"),
        };
        Dial { config }
    }
}

impl Dial {
    pub(crate) fn alpn(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::new(self.config.clone())
    }

    /// Connects, without waiting for the handshake.
    pub(crate) fn to(&self, address: SocketAddr, name: &str) -> TlsClient {
        let name = name.to_owned().try_into().expect("a name");
        let session = ClientConnection::new(self.config(), name).expect("a session");
        StreamOwned::new(session, connect(address))
    }
}

/// Does what is left of the handshake.
pub(crate) fn shake(client: &mut TlsClient) -> std::io::Result<()> {
    while client.conn.is_handshaking() {
        client.conn.complete_io(&mut client.sock)?;
    }
    Ok(())
}

/// The first certificate of a file.
pub(crate) fn first(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).expect("a certificate")
}

fn key(path: &Path) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(path).expect("a key")
}
