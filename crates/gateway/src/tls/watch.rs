//! New certificates without a restart: files are looked at, and read anew once they have changed.

use std::convert::Infallible;
use std::error::Error as _;
use std::time::Duration;

use super::TlsError;

/// How often files are looked at for a change.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What is made of files that may change.
pub(crate) trait Reload: Clone + Send + 'static {
    /// Reads the files again, for connections from now on; those that are open stay as they are. It blocks.
    /// What was there goes on where the files cannot be used.
    fn reload(&self) -> Result<(), TlsError>;

    /// Whether a file is another than when it was last read. It blocks.
    fn has_changed(&self) -> bool;
}

/// Reads the files whenever they have changed. Cancel safe.
pub(crate) async fn watch(of: impl Reload) -> Infallible {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let of = of.clone();
        let look = move || of.has_changed().then(|| of.reload());
        match tokio::task::spawn_blocking(look).await {
            Ok(None) => {}
            Ok(Some(Ok(()))) => tracing::info!("certificates were read anew"),
            Ok(Some(Err(error))) => {
                let cause = error.source().map(ToString::to_string);
                tracing::error!(%error, cause, help = error.mend(), "the certificates stay as they were");
            }
            Err(error) => tracing::error!(%error, "certificates could not be looked at"),
        }
    }
}
