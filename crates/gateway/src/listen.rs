//! An address that connections are taken on, and how.

use std::net::SocketAddr;

use crate::tls::Front;

/// Where connections are taken, and what they begin with.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The address. Port 0 takes a free one.
    pub address: SocketAddr,
    /// Each connection begins with a header of the PROXY protocol, which only trusted proxies may send.
    pub proxy_protocol: bool,
    /// Clients speak TLS, and this is what they see.
    pub tls: Option<Front>,
}

impl Listen {
    /// Whether a connection is served as it comes.
    pub(crate) const fn is_plain(&self) -> bool {
        !self.proxy_protocol && self.tls.is_none()
    }
}

impl From<SocketAddr> for Listen {
    /// Connections that are served as they come.
    fn from(address: SocketAddr) -> Self {
        Self { address, proxy_protocol: false, tls: None }
    }
}
