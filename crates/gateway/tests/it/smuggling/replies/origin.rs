//! A service that answers as told, and counts which of its connections it is asked on.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Reply, Then};
use crate::support::{raw_server, read_head};

#[derive(Debug)]
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    streams: Vec<TcpStream>,
    /// Indexes of the connections that a request came on.
    used: BTreeSet<usize>,
}

impl Origin {
    pub(super) fn start(replies: Vec<Reply>) -> Self {
        let kept = Arc::<Mutex<Kept>>::default();
        let shared = Arc::clone(&kept);
        let address = raw_server(move |stream| serve(stream, &replies, &shared));
        Self { address, kept }
    }

    /// Which connections were used since the last call.
    pub(super) fn take_used(&self) -> BTreeSet<usize> {
        std::mem::take(&mut locked(&self.kept).used)
    }

    /// Says something on every connection.
    pub(super) fn say_unasked(&self, text: &str) {
        for stream in &mut locked(&self.kept).streams {
            stream.write_all(text.as_bytes()).expect("the gateway has it open");
        }
    }
}

fn serve(mut stream: TcpStream, replies: &[Reply], kept: &Mutex<Kept>) {
    let index = {
        let mut kept = locked(kept);
        kept.streams.push(stream.try_clone().expect("a socket"));
        kept.streams.len() - 1
    };
    loop {
        let head = read_head(&mut stream);
        let target = head.split(' ').nth(1).unwrap_or_default();
        if target.is_empty() {
            break;
        }
        locked(kept).used.insert(index);
        let reply = target.strip_prefix("/reply/").and_then(|index| index.parse::<usize>().ok());
        let (bytes, then) = match reply.and_then(|index| replies.get(index)) {
            Some(reply) => (&reply.bytes[..], reply.then),
            None => (&b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext"[..], Then::Stay),
        };
        // A gateway that has read enough closes the connection, which is what it should do.
        if stream.write_all(bytes).is_err() || then == Then::Close {
            break;
        }
    }
    // Its copy in the list would keep it open.
    drop(stream.shutdown(std::net::Shutdown::Write));
}

fn locked(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
