//! What clients speak to the proxies that are compared.

use std::fmt;

use clap::ValueEnum;

/// One way to speak to a proxy. Behind it all speak HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Front {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
    /// HTTP/1.1 by TLS 1.3.
    Tls,
    /// HTTP/2 by TLS 1.3.
    TlsHttp2,
}

impl Front {
    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::TlsHttp2)
    }

    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::TlsHttp2)
    }
}

impl fmt::Display for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Tls => "HTTP/1.1 by TLS",
            Self::TlsHttp2 => "HTTP/2 by TLS",
        })
    }
}
