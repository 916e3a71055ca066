//! A client's or an endpoint's connection.

/// Bytes both ways.
pub(crate) type Stream = tokio::net::TcpStream;
