//! `Cache-Status` (RFC 9211): what the cache did with a request.

use core::fmt;

/// Why a request was sent on (RFC 9211 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// The cache does not serve such requests.
    Bypass,
    /// Its method is not cached.
    Method,
    /// Nothing is stored for its target.
    UriMiss,
    /// Nothing that is stored for its target stands for it.
    VaryMiss,
    /// What is stored is stale.
    Stale,
    /// It asked for it.
    Request,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheStatus {
    /// Why it was sent on; `None` for a hit.
    pub forwarded: Option<Forwarded>,
    /// The status that came back for it, if another one was answered.
    pub forwarded_status: Option<u16>,
    /// Seconds for which the answer is fresh yet.
    pub ttl: Option<i64>,
    /// What came back is stored.
    pub is_stored: bool,
    /// It waited for another request that was sent on.
    pub is_collapsed: bool,
}

impl Forwarded {
    const fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Floodway")?;
        match self.forwarded {
            None => f.write_str("; hit")?,
            Some(why) => write!(f, "; fwd={}", why.name())?,
        }
        if let Some(status) = self.forwarded_status {
            write!(f, "; fwd-status={status}")?;
        }
        if let Some(ttl) = self.ttl {
            write!(f, "; ttl={ttl}")?;
        }
        if self.is_stored {
            f.write_str("; stored")?;
        }
        if self.is_collapsed {
            f.write_str("; collapsed")?;
        }
        Ok(())
    }
}
