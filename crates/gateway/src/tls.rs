//! TLS with clients and with services: rustls, versions 1.2 and 1.3.
//!
//! The primitives are those of aws-lc: of the two that rustls is kept for, it signs and encrypts faster on
//! the machines that servers run on, and it has the hybrid key exchange (X25519MLKEM768) that keeps what is
//! recorded today from being read by the quantum computers of tomorrow.

mod back;
mod files;
mod front;
mod resolve;
mod subject;
mod watch;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use back::{Back, BackOptions};
pub use files::TlsError;
pub use front::{ClientCertificates, Front, FrontOptions, KeyPair};
pub(crate) use subject::forwarded_certificate;
pub(crate) use watch::{Reload, watch};

/// HTTP/2 and HTTP/1.1, as ALPN names them (RFC 9113 §3.1, RFC 7301 §6).
const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
