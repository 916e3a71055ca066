//! TLS with clients: certificates by name, client certificates, and new files without a restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::TrustAnchor;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::files::{self, Mark, TlsError};
use super::resolve::ByName;
use super::watch::Reload;
use super::{H2, HTTP1, provider};

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The certificate, and after it those that lead to its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What clients are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// A PEM file with the authorities that may have issued them.
    pub ca: PathBuf,
    /// A client without one is refused.
    pub required: bool,
}

/// What a front is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontOptions {
    /// At least one. The first is for clients that name no host, or one that no certificate is for.
    pub certificates: Vec<KeyPair>,
    /// Whether clients are asked for certificates.
    pub client: Option<ClientCertificates>,
}

/// TLS as clients see it. Cheap to clone; clones are the same front.
#[derive(Debug, Clone)]
pub struct Front {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: FrontOptions,
    config: ArcSwap<ServerConfig>,
    /// Held while files are read, never while a connection waits.
    last: Mutex<Last>,
}

/// What was read last.
#[derive(Debug)]
struct Last {
    marks: Vec<Option<Mark>>,
    roots: Option<RootCertStore>,
    tickets: Arc<dyn ProducesTickets>,
}

// === impl Front ===

impl Front {
    /// Reads all files. It blocks.
    pub fn load(options: FrontOptions) -> Result<Self, TlsError> {
        let marks = marks(&options);
        let roots = roots(&options)?;
        let tickets = Ticketer::new().map_err(TlsError::Setup)?;
        let config = ArcSwap::from_pointee(config(&options, roots.clone(), Arc::clone(&tickets))?);
        let last = Mutex::new(Last { marks, roots, tickets });
        Ok(Self { shared: Arc::new(Shared { options, config, last }) })
    }

    /// Reads all files again, for the connections from now on; those that are open stay as they are. It
    /// blocks. What was there goes on where the files cannot be used.
    pub fn reload(&self) -> Result<(), TlsError> {
        Reload::reload(self)
    }

    /// For the next connection.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.shared.config.load_full()
    }
}

impl Reload for Front {
    fn reload(&self) -> Result<(), TlsError> {
        let Shared { options, config, last } = &*self.shared;
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that changes meanwhile has another mark than this, and is read again.
        last.marks = marks(options);
        let roots = roots(options)?;
        // A ticket stands for a certificate that was checked before, so it must not outlive the authorities.
        let is_as_before = anchors(last.roots.as_ref()) == anchors(roots.as_ref());
        let tickets = if is_as_before {
            Arc::clone(&last.tickets)
        } else {
            Ticketer::new().map_err(TlsError::Setup)?
        };
        config.store(Arc::new(self::config(options, roots.clone(), Arc::clone(&tickets))?));
        (last.roots, last.tickets) = (roots, tickets);
        Ok(())
    }

    fn has_changed(&self) -> bool {
        let Shared { options, last, .. } = &*self.shared;
        last.lock().unwrap_or_else(PoisonError::into_inner).marks != marks(options)
    }
}

impl FrontOptions {
    fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.certificates.iter().flat_map(|pair| [&pair.cert, &pair.key]);
        pairs.chain(self.client.iter().map(|client| &client.ca)).map(PathBuf::as_path)
    }
}

fn marks(options: &FrontOptions) -> Vec<Option<Mark>> {
    options.files().map(Mark::of).collect()
}

fn roots(options: &FrontOptions) -> Result<Option<RootCertStore>, TlsError> {
    options.client.as_ref().map(|client| files::roots(&client.ca)).transpose()
}

/// What two stores of authorities are compared by: all of each.
fn anchors(roots: Option<&RootCertStore>) -> Option<&[TrustAnchor<'static>]> {
    roots.map(|roots| roots.roots.as_slice())
}

fn config(
    options: &FrontOptions,
    roots: Option<RootCertStore>,
    tickets: Arc<dyn ProducesTickets>,
) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let certificates = options.certificates.iter();
    let certificates: Result<Vec<_>, _> =
        certificates.map(|pair| files::certified_key(&pair.cert, &pair.key, &provider)).collect();
    let by_name = ByName::new(certificates?).map_err(|(place, source)| TlsError::Unusable {
        what: "certificate",
        path: options.certificates[place].cert.clone(),
        source: rustls::Error::General(source.to_string()),
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    let builder = match (&options.client, roots) {
        (Some(client), Some(roots)) => {
            let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            if !client.required {
                verifier = verifier.allow_unauthenticated();
            }
            let other =
                |error: rustls::client::VerifierBuilderError| rustls::Error::General(error.to_string());
            builder
                .with_client_cert_verifier(verifier.build().map_err(|error| TlsError::Setup(other(error)))?)
        }
        _ => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(by_name));
    config.alpn_protocols = vec![H2.to_vec(), HTTP1.to_vec()];
    // A session lives in its client's ticket: whichever worker gets the next connection can resume it, and
    // nothing is kept here.
    config.ticketer = tickets;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
