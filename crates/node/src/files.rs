//! The bound on open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft bound of this process to the hard one: every connection is a file, and shells set the
/// soft bound to 1024. Children inherit it. A refusal is told and lived with.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => tracing::debug!(?current, ?maximum, "raised the bound on open files"),
        Err(error) => tracing::warn!(%error, ?current, ?maximum, "could not raise the bound on open files"),
    }
}
