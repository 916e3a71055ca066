//! How these engines say that they could not do what they were asked.

use std::io;
use std::path::Path;
use std::sync::Arc;

use floodway_blocks::Failure;

/// A file or folder could not be read.
pub(crate) fn unreadable(engine: &'static str, path: &Path, error: io::Error) -> Failure {
    Failure::Io { engine, attempt: format!("read {}", path.display()), source: Arc::new(error) }
}

/// Runs what may wait for a disk apart from the worker's thread.
pub(crate) async fn blocking<T: Send + 'static>(
    engine: &'static str,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| {
        let source = Arc::new(io::Error::other(error));
        Err(Failure::Io { engine, attempt: "read on a thread of its own".to_owned(), source })
    })
}

/// What was tried brought an error.
pub(crate) fn failed(engine: &'static str, attempt: String, error: io::Error) -> Failure {
    Failure::Io { engine, attempt, source: Arc::new(error) }
}

/// An option that makes no sense.
pub(crate) fn invalid(engine: &'static str, what: &str, why: String) -> Failure {
    let source = Arc::new(io::Error::new(io::ErrorKind::InvalidInput, why));
    Failure::Io { engine, attempt: format!("use `{what}`"), source }
}
