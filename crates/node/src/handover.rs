//! How listening sockets outlive the program: the process replaces itself by `exec`, and finds them again in a
//! message that waits on its standard input.
//!
//! ```text
//! old program: drain, stop ─▶ send sockets to a pair of sockets ─▶ its other end becomes stdin ─▶ exec
//! new program: receive sockets from stdin ─▶ stdin becomes /dev/null ─▶ start ─▶ take connections
//! ```
//! The process id stays, the data folder has one owner at a time, and connections that come meanwhile wait in
//! the queues of the sockets, which are never closed.

use std::ffi::OsString;
use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use tokio::process::Command;

use crate::error::NodeError;

/// Sockets that one message carries at most (Linux: `SCM_MAX_FD`).
const SOCKETS_MAX: usize = 253;
const SPACE: usize = rustix::cmsg_space!(ScmRights(SOCKETS_MAX));

/// The program that takes the place on an upgrade.
#[derive(Debug, Clone)]
pub struct Successor {
    /// Its path: that of this program when it was started, where by then a newer one may lie.
    pub program: PathBuf,
    /// Arguments by which it says whether it accepts the system file.
    pub check: Vec<OsString>,
    /// Arguments by which it runs the system with the sockets that were left.
    pub run: Vec<OsString>,
}

// === impl Successor ===

impl Successor {
    /// Asks the program whether it accepts the system file; nothing has changed where it does not.
    pub async fn check(&self) -> Result<(), NodeError> {
        let refused = |why: &str| NodeError::Refused {
            detail: format!("{} cannot take over, nothing was changed: {why}", self.program.display()),
        };
        let asked = Command::new(&self.program).args(&self.check).stdin(Stdio::null()).output().await;
        let output = asked.map_err(|error| refused(&error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(refused(&String::from_utf8_lossy(&output.stderr)))
    }

    /// Leaves the sockets and becomes the program. Returns only where that cannot be. The node must have
    /// stopped.
    pub fn become_it(&self, sockets: &[TcpListener]) -> NodeError {
        if let Err(error) = leave(sockets) {
            return error;
        }
        let source = std::process::Command::new(&self.program).args(&self.run).exec();
        NodeError::System { attempt: "start the new program", source }
    }
}

/// Leaves the sockets on this process's standard input, for the program that it becomes.
fn leave(sockets: &[TcpListener]) -> Result<(), NodeError> {
    let attempt = "hand the listening sockets over";
    let failed = |errno: rustix::io::Errno| NodeError::System { attempt, source: errno.into() };
    let pair = socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    let (ours, theirs) = pair.map_err(failed)?;
    let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
    let mut space = vec![MaybeUninit::uninit(); SPACE];
    let mut message = SendAncillaryBuffer::new(&mut space);
    if !message.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(failed(rustix::io::Errno::TOOBIG));
    }
    sendmsg(&ours, &[IoSlice::new(b"sockets")], &mut message, SendFlags::empty()).map_err(failed)?;
    rustix::stdio::dup2_stdin(&theirs).map_err(failed)
}

/// Takes what the program before has left, and gives the process an empty standard input.
pub fn take() -> Result<Vec<TcpListener>, NodeError> {
    let attempt = "take over the listening sockets";
    let failed = |source| NodeError::System { attempt, source };
    let mut space = vec![MaybeUninit::uninit(); SPACE];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let mut word = [0; 16];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    recvmsg(rustix::stdio::stdin(), &mut [IoSliceMut::new(&mut word)], &mut message, flags)
        .map_err(|errno| failed(errno.into()))?;
    let mut sockets: Vec<OwnedFd> = Vec::new();
    for part in message.drain() {
        if let RecvAncillaryMessage::ScmRights(part) = part {
            sockets.extend(part);
        }
    }
    let empty = File::open("/dev/null").map_err(failed)?;
    rustix::stdio::dup2_stdin(empty).map_err(|errno| failed(errno.into()))?;
    Ok(sockets.into_iter().map(TcpListener::from).collect())
}
