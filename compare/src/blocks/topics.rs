//! Topics: messages of 256 bytes published so that they survive a loss of power where that is said, delivered to
//! one group, and acknowledged. A figure is messages that went all the way.

mod ours;
mod peers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::LocalBoxFuture;
use tokio::time::Instant;

use super::closed::{self, Caller, Done};
use super::servers::nats::Sync;
use super::{Contender, Size, Workload, servers};

/// How long what was published may take to arrive when nobody publishes any more.
const DRAIN_MAX: Duration = Duration::from_mins(1);
/// Messages that a consumer may have under way.
const PREFETCH: u16 = 1_000;

/// Both programs of NATS: the newer one can sync before each answer.
#[derive(Debug, Clone)]
pub(super) struct Nats {
    pub(super) program: PathBuf,
    pub(super) can_sync: bool,
}

pub(super) async fn workloads(
    floodway: &Path,
    nats: &Nats,
    folder: &Path,
    size: Size,
) -> Result<Vec<Workload>> {
    let ours = servers::floodway::serve(floodway, folder).await?;
    let rabbit = servers::rabbitmq::serve(folder).await?;
    let lazy = servers::nats::serve(&nats.program, Sync::Default, folder).await?;
    let synced = if nats.can_sync {
        Some(servers::nats::serve(&nats.program, Sync::Always, folder).await?)
    } else {
        None
    };
    let (ports, rabbit_at, lazy_at) = (ours.at, rabbit.at, lazy.at);
    let synced_at = synced.as_ref().map(|server| server.at);
    let servers = super::held((ours, rabbit, lazy, synced));
    let flows = |batch: usize| {
        let mut flows = vec![
            flow("floodway, HTTP both ways", "synced", move || Box::pin(ours::by_route(ports, size, batch))),
            flow("floodway, HTTP and stream", "synced", move || {
                Box::pin(ours::by_stream(ports, size, batch, false))
            }),
            flow("floodway, gRPC and stream", "synced", move || {
                Box::pin(ours::by_stream(ports, size, batch, true))
            }),
            flow("RabbitMQ, classic durable", "confirmed", move || {
                Box::pin(peers::rabbitmq(rabbit_at, size, batch))
            }),
            flow("NATS JetStream", "every 2 minutes", move || Box::pin(peers::nats(lazy_at, size, batch))),
        ];
        flows.extend(synced_at.map(|at| {
            flow("NATS JetStream, sync always", "synced", move || Box::pin(peers::nats(at, size, batch)))
        }));
        flows
    };
    let workload = |title: String, contenders: Vec<Contender>| Workload {
        title,
        contenders,
        servers: Arc::clone(&servers),
    };
    Ok(vec![
        workload(format!("publish, deliver, acknowledge: {} publishers", size.callers), flows(1)),
        workload(
            format!("publish, deliver, acknowledge: {} publishers, {} at once", size.callers, size.many),
            flows(size.many),
        ),
    ])
}

fn flow(
    name: &'static str,
    durability: &'static str,
    measure: impl Fn() -> LocalBoxFuture<'static, Result<Done>> + 'static,
) -> Contender {
    Contender { name, durability, measure: Box::new(measure) }
}

/// Publishes in a closed loop and waits until all has arrived; the time is that of the whole way.
async fn whole_way<C: Caller>(
    publishers: Vec<C>,
    time: Duration,
    consumed: impl AsyncFn() -> Result<u64>,
) -> Result<Done> {
    let before = consumed().await?;
    let started = Instant::now();
    let published = closed::run(publishers, time).await?;
    while consumed().await? < before + published.operations {
        ensure!(
            started.elapsed() < time + DRAIN_MAX,
            "of {} messages {} arrived",
            published.operations,
            consumed().await? - before
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(Done { took: started.elapsed(), ..published })
}

/// What a consumer in this program has taken.
#[derive(Debug, Clone, Default)]
struct Taken(Arc<AtomicU64>);

impl Taken {
    fn add(&self, messages: u64) {
        self.0.fetch_add(messages, Ordering::Relaxed);
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
