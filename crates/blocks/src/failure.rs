//! How an engine says that it could not do what it was asked.

use std::sync::Arc;
use std::time::Duration;

/// An engine could not answer. Nothing that ended this way was acknowledged; a write may
/// nevertheless have happened when the fault struck after it was sent.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The engine refused at once: its queue is full. Try again after the given time.
    #[error("{engine} is overloaded, try again in {retry_after:?}")]
    Overloaded {
        /// Name of the engine.
        engine: &'static str,
        /// When a new try has a chance.
        retry_after: Duration,
    },
    /// The disk or the server behind the engine reported an error.
    #[error("{engine} could not {attempt}")]
    Io {
        /// Name of the engine.
        engine: &'static str,
        /// What was tried, as in "append to /var/lib/floodway/log/00000001.log".
        attempt: String,
        /// The cause.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// No answer came within the time that the component is given. What was asked may have been done.
    #[error("{component} did not answer within {after:?}")]
    TimedOut {
        /// Name of the component.
        component: String,
        /// The time.
        after: Duration,
    },
    /// The component fails, and is asked nothing for a while.
    #[error("{component} fails, and is left alone for {retry_after:?} more")]
    LeftAlone {
        /// Name of the component.
        component: String,
        /// When a new try has a chance.
        retry_after: Duration,
    },
    /// The engine is shutting down and takes no more work.
    #[error("{engine} is stopping")]
    Stopping {
        /// Name of the engine.
        engine: &'static str,
    },
    /// What is stored could not be read back as it was written.
    #[error("{engine} found damaged data: {detail}")]
    Damaged {
        /// Name of the engine.
        engine: &'static str,
        /// What is damaged, and where.
        detail: String,
    },
}
