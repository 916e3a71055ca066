//! TLS with services: whom the gateway believes to be the service, and what it shows of itself.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::files::{self, Mark, TlsError};
use super::watch::Reload;
use super::{H2, HTTP1, KeyPair, provider};

/// What the connections to one service are made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackOptions {
    /// A PEM file with the authorities that may have issued its certificate; those of the machine without
    /// one.
    pub ca: Option<PathBuf>,
    /// The name that its certificate must be for; the address that is connected to without one.
    pub name: Option<String>,
    /// What the gateway shows of itself where it is asked.
    pub own: Option<KeyPair>,
    /// Without, whoever answers is the service: what is sent can be read, and what comes made up, by anybody
    /// on the way.
    pub verify: bool,
    /// HTTP/2 is agreed on, else HTTP/1.1.
    pub http2: bool,
}

/// TLS as one service sees it. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Back {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: BackOptions,
    name: Option<ServerName<'static>>,
    config: ArcSwap<ClientConfig>,
    marks: Mutex<Vec<Option<Mark>>>,
}

// === impl Back ===

impl Back {
    /// Reads all files. It blocks.
    pub fn load(options: BackOptions) -> Result<Self, TlsError> {
        let name = options.name.clone().map(ServerName::try_from).transpose();
        let name = name.map_err(|error| TlsError::Setup(rustls::Error::General(error.to_string())))?;
        let marks = Mutex::new(marks(&options));
        let config = ArcSwap::from_pointee(config(&options)?);
        Ok(Self { shared: Arc::new(Shared { options, name, config, marks }) })
    }

    /// Shakes hands with the endpoint at the other end of a connection to `address`.
    pub async fn connect(&self, stream: TcpStream, address: IpAddr) -> io::Result<TlsStream<TcpStream>> {
        let Shared { options, name, config, .. } = &*self.shared;
        let name = name.clone().unwrap_or_else(|| ServerName::IpAddress(address.into()));
        let stream = TlsConnector::from(config.load_full()).connect(name, stream).await?;
        // Whoever knows nothing of ALPN speaks HTTP/1.1.
        if options.http2 && stream.get_ref().1.alpn_protocol() != Some(H2) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "it does not speak HTTP/2"));
        }
        Ok(stream)
    }
}

impl Reload for Back {
    fn reload(&self) -> Result<(), TlsError> {
        let Shared { options, config, marks, .. } = &*self.shared;
        *marks.lock().unwrap_or_else(PoisonError::into_inner) = self::marks(options);
        config.store(Arc::new(self::config(options)?));
        Ok(())
    }

    fn has_changed(&self) -> bool {
        let Shared { options, marks, .. } = &*self.shared;
        *marks.lock().unwrap_or_else(PoisonError::into_inner) != self::marks(options)
    }
}

fn marks(options: &BackOptions) -> Vec<Option<Mark>> {
    let own = options.own.iter().flat_map(|own| [&own.cert, &own.key]);
    own.chain(&options.ca).map(|path| Mark::of(path)).collect()
}

fn config(options: &BackOptions) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    let builder = if options.verify {
        let roots = options.ca.as_deref().map_or_else(roots_of_machine, files::roots)?;
        builder.with_root_certificates(roots)
    } else {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(Arc::clone(&provider))))
    };
    let mut config = match &options.own {
        None => builder.with_no_client_auth(),
        Some(KeyPair { cert, key }) => {
            // Says which of the two files is wrong.
            files::certified_key(cert, key, &provider)?;
            let (chain, key) = (files::certificates(cert)?, files::private_key(key)?);
            builder.with_client_auth_cert(chain, key).map_err(TlsError::Setup)?
        }
    };
    config.alpn_protocols = vec![if options.http2 { H2 } else { HTTP1 }.to_vec()];
    Ok(config)
}

/// Those whom the machine believes. Some of a bundle may be of a kind that nobody uses any more.
fn roots_of_machine() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let path = Path::new("/etc/ssl/certs").to_owned();
        return Err(TlsError::Missing { what: "certificate of an authority", path });
    }
    Ok(roots)
}

/// Believes anybody to be the service. Whoever it is has the key of the certificate that it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
