//! The embedded engine of a node's data folder.

use std::path::{Path, PathBuf};

use floodway_blocks::engine::OptionValue;
use floodway_embedded::{Durability, Engine, NAME, Options, StoreOptions, TopicsOptions};
use floodway_system::{Source, System};

use crate::error::NodeError;
use crate::status::EngineStatus;

/// The jobs component, which is there without being asked for.
pub(super) const JOBS: &str = "jobs";

/// The engine, open.
#[derive(Debug)]
pub(super) struct OpenEngine {
    pub(super) engine: Engine,
    pub(super) status: EngineStatus,
    folder: PathBuf,
}

// === impl OpenEngine ===

impl OpenEngine {
    /// Opens the engine under `data`; `None` where the system asks for no block.
    pub(super) async fn open(system: &System, data: &Path) -> Result<Option<Self>, NodeError> {
        let options = options(system);
        if is_asked_for_nothing(&options) {
            return Ok(None);
        }
        let folder = data.join("embedded");
        let there = folder.clone();
        let opened = blocking(&folder, move || Engine::open(&there, options)).await?;
        let (engine, recovery) =
            opened.map_err(|source| NodeError::Engine { folder: folder.clone(), source: source.into() })?;
        tracing::info!(%recovery, "the engine is open");
        let status = EngineStatus { replayed: recovery.replayed, cut_bytes: recovery.cut_bytes };
        Ok(Some(Self { engine, status, folder }))
    }

    /// Makes everything durable and ends the engine.
    pub(super) async fn close(self) -> Result<(), NodeError> {
        let Self { engine, folder, .. } = self;
        let closed = blocking(&folder, move || engine.close()).await?;
        closed.map_err(|source| NodeError::Engine { folder, source: source.into() })
    }
}

fn is_asked_for_nothing(options: &Options) -> bool {
    let Options { stores, topics, locks, jobs, .. } = options;
    stores.is_empty() && topics.is_empty() && locks.is_empty() && jobs.is_empty()
}

/// The components that the embedded engine serves.
fn options(system: &System) -> Options {
    let is_ours = |engine: &floodway_system::Engine| engine.name == NAME;
    let stores = system.stores.iter().filter(|store| is_ours(&store.engine));
    let topics = system.topics.iter().filter(|topics| is_ours(&topics.engine));
    let locks = system.locks.iter().filter(|locks| is_ours(&locks.engine));
    Options {
        stores: stores
            .map(|store| StoreOptions { name: store.name.clone(), durability: durability(&store.engine) })
            .collect(),
        topics: topics
            .map(|topics| TopicsOptions { name: topics.name.clone(), durability: durability(&topics.engine) })
            .collect(),
        locks: locks.map(|locks| locks.name.clone()).collect(),
        jobs: if starts_services(system) { vec![JOBS.to_owned()] } else { Vec::new() },
        ..Options::default()
    }
}

/// Whether there is anybody who can ask for a job: each service that is started has an API port.
fn starts_services(system: &System) -> bool {
    system.services.iter().any(|service| matches!(service.source, Source::Run(_)))
}

/// As the file has it; the checker has made sure that both options are there in their form.
fn durability(engine: &floodway_system::Engine) -> Durability {
    match (engine.options.get("durability"), engine.options.get("interval")) {
        (Some(OptionValue::Text(word)), Some(OptionValue::Duration(every))) if word == "interval" => {
            Durability::Interval(*every)
        }
        (Some(OptionValue::Text(word)), _) if word == "none" => Durability::None,
        _ => Durability::Fsync,
    }
}

/// Reading a long log takes a while, in which the node still takes signals.
async fn blocking<T: Send + 'static>(
    folder: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NodeError> {
    let failed = |source: tokio::task::JoinError| NodeError::Engine {
        folder: folder.to_owned(),
        source: source.into(),
    };
    tokio::task::spawn_blocking(work).await.map_err(failed)
}
