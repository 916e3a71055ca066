//! What runs on a worker's thread.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use floodway_blocks::invoke::Invoke;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::bind::Listener;
use super::{Make, Service, WorkerContext};
use crate::connection::{self, Client};
use crate::entry;
use crate::generations::Generations;
use crate::invoke::Caller;
use crate::peer::{Peer, Scheme};
use crate::worker::{Open, Phase, Worker};

/// A thread's life: listens, runs services, and ends when told and done.
pub(super) async fn run(
    make: Make,
    listeners: Vec<Listener>,
    mut phase: watch::Receiver<Phase>,
    mut services: mpsc::Receiver<Service>,
    shutdown: CancellationToken,
) {
    let generations = Rc::new(Generations::new(make()));
    let own = crate::tasks::Tasks::default();
    for listener in listeners {
        own.spawn(listen(Rc::clone(&generations), listener, phase.clone()));
    }
    let invoke: Rc<dyn Invoke> = Rc::new(Caller::new(Rc::clone(&generations)));
    let context = WorkerContext { invoke, shutdown, generations: Rc::clone(&generations) };
    loop {
        tokio::select! {
            Some(service) = services.recv() => own.spawn(service(context.clone())),
            _ = phase.wait_for(|phase| *phase == Phase::Stopping) => break,
        }
    }
    own.finished().await;
    // Connections to endpoints end with their senders.
    generations.all().for_each(|worker| worker.disconnect());
}

/// Takes connections until the thread drains.
async fn listen(generations: Rc<Generations>, listener: Listener, mut phase: watch::Receiver<Phase>) {
    const PAUSE: Duration = Duration::from_millis(50);
    let Listener { place, socket } = listener;
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a worker cannot listen"),
    };
    // A sender that is gone is told apart below.
    drop(phase.wait_for(|phase| *phase >= Phase::Serving).await);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| *phase >= Phase::Draining) => {
                return generations.all().for_each(|worker| worker.drain());
            }
        };
        match accepted {
            Ok((stream, client)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection was gone at once");
                    continue;
                }
                take(&generations.present(), place, stream, client);
            }
            Err(error) => {
                // Out of descriptors or memory: what is open goes on, and may end soon.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn take(worker: &Rc<Worker>, place: usize, stream: tokio::net::TcpStream, from: SocketAddr) {
    let Some(how) = worker.listen.get(place) else { return };
    let Some(mut open) = Open::begin(worker) else { return tracing::debug!(%from, "too many connections") };
    if how.is_plain() {
        let address = from.ip();
        let is_trusted = worker.snapshot.trusted_proxies.contains(address);
        let peer = Peer { address, is_trusted, scheme: Scheme::Http, certificate: None };
        if !open.is_of(&peer) {
            return tracing::debug!(%from, "the client has too many connections");
        }
        worker.tasks.spawn(connection::serve(Client::new(open, peer), stream.into()));
    } else {
        worker.tasks.spawn(entry::enter(open, how.clone(), stream, from));
    }
}
