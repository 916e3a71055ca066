//! Opening and closing the engine, and its ports by name.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use floodway_blocks::Failure;
use floodway_blocks::jobs::Jobs;
use floodway_blocks::lock::Locks;
use floodway_blocks::state::Store;
use floodway_blocks::topics::Topics;

use crate::clock::{Clock, monotonic};
use crate::commit::Committer;
use crate::commit::queue::Queue;
use crate::commit::request::StorePlace;
use crate::disk::{Disk, Folder};
use crate::error::{OpenError, io_failure, opening};
use crate::jobs::{Board, EmbeddedJobs};
use crate::keeper::{Keeper, KeeperThread};
use crate::locks::{EmbeddedLocks, Leases};
use crate::log::{Continue, Log, Segments, Tail};
use crate::options::{Durability, Options, StoreOptions, TopicsOptions};
use crate::recovery::{Recovery, rebuild};
use crate::shared::{Shared, Spaces};
use crate::state::EmbeddedStore;
use crate::topics::Registry;
use crate::topics::later::{self, Alarm};
use crate::topics::port::EmbeddedTopics;
use crate::topics::reader::Reader;
use crate::view::fjall_view::FjallView;
use crate::view::{CLOSED, DURABLE, SharedView, number_edit};

/// The open engine. Its ports work until [`Engine::close`], whoever still holds them.
#[derive(Debug)]
pub struct Engine {
    stores: HashMap<String, Arc<dyn Store>>,
    topics: HashMap<String, Arc<dyn Topics>>,
    locks: HashMap<String, Arc<dyn Locks>>,
    jobs: HashMap<String, Arc<dyn Jobs>>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    core: Arc<Shared>,
    tail: Arc<Tail>,
    committer: JoinHandle<Log>,
    keeper: KeeperThread,
    reader: JoinHandle<()>,
    later: JoinHandle<()>,
    /// Locked until the engine is closed.
    _folder_lock: Option<File>,
}

/// What an engine stands on.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) view: SharedView,
    pub(crate) clock: Clock,
    pub(crate) folder_lock: Option<File>,
}

impl Engine {
    /// Opens the engine in a folder, which is created if need be and locked until the engine is closed.
    /// Blocks while it reads the log: 0.3 to 0.6 s per GiB of messages that still wait, measured.
    #[expect(clippy::needless_pass_by_value, reason = "the options are the engine's from now on")]
    pub fn open(folder: &Path, options: Options) -> Result<(Self, Recovery), OpenError> {
        let started = monotonic();
        check_names(&options)?;
        std::fs::create_dir_all(folder).map_err(opening(format!("create {}", folder.display())))?;
        let folder_lock = Some(lock_folder(folder)?);
        let state = folder.join("state");
        let view = FjallView::open(&state, options.limits.cache_bytes)
            .map_err(|source| OpenError::State { folder: state, source })?;
        let log = folder.join("log");
        let disk = Folder::open(log.clone()).map_err(opening(format!("open {}", log.display())))?;
        let ground = Ground { disk: Arc::new(disk), view: Arc::new(view), clock: Clock::Real, folder_lock };
        let (engine, mut recovery) = Self::on(ground, &options)?;
        recovery.took = started.elapsed();
        if let Some(file) = &recovery.cut_file {
            let bytes = recovery.cut_bytes;
            tracing::warn!(file, bytes, "cut an unfinished write off the log's end");
        }
        Ok((engine, recovery))
    }

    /// Opens the engine on a disk and a view that may be simulated.
    pub(crate) fn on(ground: Ground, options: &Options) -> Result<(Self, Recovery), OpenError> {
        let registry = Registry::new(options.limits.topics);
        for topics in &options.topics {
            registry.component(&topics.name, topics.durability);
        }
        let mut leases = Leases::new(options.limits.locks);
        let jobs = Board::new(options.limits.jobs);
        let rebuilt = rebuild(ground.disk.as_ref(), &ground.view, &registry, &mut leases, &jobs)?;
        let segments = Arc::new(Segments::default());
        let number = rebuilt.segments.last().map_or(0, |segment| segment.head.number);
        rebuilt.segments.into_iter().for_each(|segment| segments.push(segment));
        let (reader, reader_thread) =
            Reader::start(Arc::clone(&segments)).map_err(opening("start a thread"))?;
        let attempt = "open the engine's own stores";
        let spaces = Spaces::open(&ground.view).map_err(opening(attempt))?;
        let alarm = Alarm::new(spaces.first_due(&ground.view).map_err(opening(attempt))?);
        let core = Arc::new(Shared {
            queue: Queue::new(options.limits.queue_depth, options.limits.queue_bytes),
            view: ground.view,
            registry,
            jobs,
            reader,
            clock: ground.clock.clone(),
            limits: options.limits.clone(),
            alarm,
            spaces,
            applied: AtomicU64::new(rebuilt.last),
        });
        let from = Continue {
            disk: ground.disk,
            clock: ground.clock,
            segment_bytes: options.limits.segment_bytes,
            zero_ahead: is_any_synced(options),
            number,
            last: rebuilt.last,
            next: rebuilt.next,
        };
        let mut engine = Self::with_ports(&core, options)?;
        let threads = Threads { core, segments, leases, reader: reader_thread };
        engine.running = Some(threads.start(from, options, ground.folder_lock)?);
        Ok((engine, rebuilt.recovery))
    }

    fn with_ports(core: &Arc<Shared>, options: &Options) -> Result<Self, OpenError> {
        let mut engine = Self {
            stores: HashMap::new(),
            topics: HashMap::new(),
            locks: HashMap::new(),
            jobs: HashMap::new(),
            running: None,
        };
        for StoreOptions { name, durability } in &options.stores {
            let space = core.view.space(name).map_err(opening(format!("open the store {name}")))?;
            let place = Arc::new(StorePlace { name: name.clone(), space, durability: *durability });
            engine.stores.insert(name.clone(), Arc::new(EmbeddedStore { core: Arc::clone(core), place }));
        }
        for TopicsOptions { name, durability } in &options.topics {
            let component = core.registry.component(name, *durability);
            let topics = EmbeddedTopics { core: Arc::clone(core), component };
            engine.topics.insert(name.clone(), Arc::new(topics));
        }
        for name in &options.locks {
            let locks = EmbeddedLocks { core: Arc::clone(core), name: name.as_str().into() };
            engine.locks.insert(name.clone(), Arc::new(locks));
        }
        for name in &options.jobs {
            let jobs = EmbeddedJobs { core: Arc::clone(core), name: name.as_str().into() };
            engine.jobs.insert(name.clone(), Arc::new(jobs));
        }
        Ok(engine)
    }

    /// The store of that name.
    pub fn store(&self, name: &str) -> Option<Arc<dyn Store>> {
        self.stores.get(name).cloned()
    }

    /// The topics component of that name.
    pub fn topics(&self, name: &str) -> Option<Arc<dyn Topics>> {
        self.topics.get(name).cloned()
    }

    /// The lock component of that name.
    pub fn locks(&self, name: &str) -> Option<Arc<dyn Locks>> {
        self.locks.get(name).cloned()
    }

    /// The jobs component of that name.
    pub fn jobs(&self, name: &str) -> Option<Arc<dyn Jobs>> {
        self.jobs.get(name).cloned()
    }

    /// Makes a checkpoint now, not when it is due.
    #[cfg(test)]
    pub(crate) fn checkpoint_now(&self) {
        if let Some(running) = &self.running {
            running.keeper.checkpoint_now();
        }
    }

    /// Removes what has expired now, not when it is due.
    #[cfg(test)]
    pub(crate) fn sweep_now(&self) {
        if let Some(running) = &self.running {
            running.keeper.sweep_now();
        }
    }

    /// Publishes what is due now, not when a thread comes to it.
    #[cfg(test)]
    pub(crate) async fn release_now(&self) -> Result<(), Failure> {
        let Some(Running { core, .. }) = &self.running else { return Ok(()) };
        let release = || core.ask(|reply| crate::commit::request::Request::Release { reply });
        while release().await??.is_some_and(|due| due <= core.clock.now_ms()) {}
        Ok(())
    }

    /// Finishes what waits, makes everything durable and ends all threads. Later calls on the ports
    /// answer [`Failure::Stopping`]. The folder can be opened again once the ports are dropped.
    pub fn close(mut self) -> Result<(), Failure> {
        self.running.take().map_or(Ok(()), Running::close)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.running.take().map(Running::close) {
            tracing::error!(%error, "could not close the embedded engine cleanly");
        }
    }
}

/// What the threads are started with.
struct Threads {
    core: Arc<Shared>,
    segments: Arc<Segments>,
    leases: Leases,
    reader: JoinHandle<()>,
}

impl Threads {
    fn start(
        self,
        log: Continue,
        options: &Options,
        folder_lock: Option<File>,
    ) -> Result<Running, OpenError> {
        let Self { core, segments, leases, reader } = self;
        let (tail, disk) = (Arc::new(Tail::new(log.last)), Arc::clone(&log.disk));
        let log = Log::new(log, Arc::clone(&segments), Arc::clone(&tail));
        let committer = Committer::new(Arc::clone(&core), log, leases);
        let thread = std::thread::Builder::new().name("floodway-commit".into());
        let committer = thread.spawn(move || committer.run_guarded()).map_err(opening("start a thread"))?;
        let sync_every = shortest_interval(options);
        let keeper = Keeper { core: Arc::clone(&core), disk, segments, tail: Arc::clone(&tail), sync_every };
        let keeper = KeeperThread::start(keeper).map_err(opening("start a thread"))?;
        let later = later::start(Arc::clone(&core)).map_err(opening("start a thread"))?;
        Ok(Running { core, tail, committer, keeper, reader, later, _folder_lock: folder_lock })
    }
}

impl Running {
    fn close(self) -> Result<(), Failure> {
        self.core.queue.stop();
        self.core.wake_receivers();
        self.core.reader.stop();
        self.core.alarm.stop();
        let keeper = self.keeper.join();
        let are_well = [self.reader.join(), self.later.join()].iter().all(Result::is_ok);
        let log = self.committer.join();
        let mut log = log.map_err(|_panic| died("the committer"))?;
        log.close();
        let Some(keeper) = keeper.filter(|_| are_well) else {
            return Err(died("a background thread"));
        };
        self.tail.check().map_err(|error| io_failure("close the log", &Arc::new(error)))?;
        let last = self.core.applied.load(Ordering::Acquire);
        if self.tail.durable() < last {
            log.sync().map_err(|error| io_failure("sync the log", &Arc::new(error)))?;
        }
        let closed = persist_closed(&self.core.view, last).and_then(|()| keeper.reclaim(last));
        closed.map_err(|error| io_failure("close the state", &Arc::new(error)))
    }
}

fn persist_closed(view: &SharedView, last: u64) -> std::io::Result<()> {
    view.persist()?;
    view.apply(vec![number_edit(DURABLE, last), number_edit(CLOSED, last)])?;
    view.persist()
}

fn died(what: &str) -> Failure {
    let error = std::io::Error::other(format!("{what} panicked"));
    io_failure("close", &Arc::new(error))
}

fn is_any_synced(options: &Options) -> bool {
    let stores = options.stores.iter().map(|store| store.durability);
    let topics = options.topics.iter().map(|topics| topics.durability);
    let has_synced = !options.locks.is_empty() || !options.jobs.is_empty();
    has_synced || stores.chain(topics).any(|durability| durability == Durability::Fsync)
}

fn shortest_interval(options: &Options) -> Option<Duration> {
    let stores = options.stores.iter().map(|store| store.durability);
    let topics = options.topics.iter().map(|topics| topics.durability);
    let interval = |durability| match durability {
        Durability::Interval(every) => Some(every.max(Duration::from_millis(1))),
        Durability::Fsync | Durability::None => None,
    };
    stores.chain(topics).filter_map(interval).min()
}

fn lock_folder(folder: &Path) -> Result<File, OpenError> {
    let path: PathBuf = folder.join("LOCK");
    let attempt = || format!("lock {}", path.display());
    let options = File::options().create(true).truncate(false).write(true).open(&path);
    let file = options.map_err(opening(attempt()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(opening(attempt())(error)),
    }
}

/// Component names go into records and folder names: bounded, no zero bytes, and none of the engine's own.
fn check_names(options: &Options) -> Result<(), OpenError> {
    let stores = options.stores.iter().map(|store| &store.name);
    let topics = options.topics.iter().map(|topics| &topics.name);
    for name in stores.chain(topics).chain(&options.locks).chain(&options.jobs) {
        if name.is_empty() || name.len() > 200 || name.contains('\0') || name.starts_with('$') {
            return Err(OpenError::Name { name: name.clone() });
        }
    }
    Ok(())
}
