//! The files of certificates and keys: read, checked, and looked at for a change.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// Longer is no file of certificates: the bundles of all public authorities have 250 KiB.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Why certificates and keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("could not read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{} is no PEM file", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// A file does not have what is looked for in it.
    #[error("there is no {what} in {}", path.display())]
    Missing {
        /// "certificate" or "private key".
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A certificate or key is broken, or of a kind that cannot be used.
    #[error("the {what} in {} cannot be used", path.display())]
    Unusable {
        /// "certificate" or "private key".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// A key that belongs to another certificate.
    #[error("the private key in {} is not that of the certificate in {}", key.display(), cert.display())]
    Mismatch {
        /// The file of the certificate.
        cert: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The configuration as a whole cannot be used.
    #[error("could not set up TLS")]
    Setup(#[source] rustls::Error),
}

/// What a file looked like when it was read: another one has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    modified: (i64, i64),
    inode: u64,
    len: u64,
}

impl TlsError {
    /// What to do about it.
    pub const fn mend(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check the path, which is relative to the system file, and its rights",
            Self::Malformed { .. } | Self::Missing { .. } => {
                "give a PEM file: it begins with `-----BEGIN`, and openssl makes one of other forms"
            }
            Self::Unusable { .. } => "renew it; RSA of 2048 bits or more, ECDSA and Ed25519 can be used",
            Self::Mismatch { .. } => "name the key that the certificate was made for",
            Self::Setup(_) => "see the cause",
        }
    }
}

impl Mark {
    /// Nothing where there is no such file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self { modified: (file.mtime(), file.mtime_nsec()), inode: file.ino(), len: file.len() })
    }
}

/// The certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates =
        certificates.map_err(|source| TlsError::Malformed { path: path.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(TlsError::Missing { what: "certificate", path: path.to_owned() });
    }
    Ok(certificates)
}

/// The authorities of a file.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| TlsError::Unusable {
            what: "certificate",
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(roots)
}

/// A key as its file has it.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::Missing { what: "private key", path: path.to_owned() },
        source => TlsError::Malformed { path: path.to_owned(), source },
    })
}

/// A certificate with the chain that leads to its authority, and its key.
pub(super) fn certified_key(
    cert: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(cert)?;
    let unusable = |what, path: &Path, source| TlsError::Unusable { what, path: path.to_owned(), source };
    let signer = provider.key_provider.load_private_key(private_key(key)?);
    let certified = CertifiedKey::new(chain, signer.map_err(|source| unusable("private key", key, source))?);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { cert: cert.to_owned(), key: key.to_owned() })
        }
        Err(source) => Err(unusable("certificate", cert, source)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 4 MiB");
    let is_read =
        read.and_then(|_len| if bytes.len() as u64 > FILE_BYTES_MAX { Err(too_long()) } else { Ok(()) });
    is_read.map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })?;
    Ok(bytes)
}
