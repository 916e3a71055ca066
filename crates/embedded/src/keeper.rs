//! Work in the background: interval syncs, checkpoints of the view, expiry, and giving back segments.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock::monotonic;
use crate::commit::request::Request;
use crate::disk::Disk;
use crate::log::{Segment, Segments, Tail};
use crate::shared::Shared;
use crate::sync::lock;
use crate::view::{DURABLE, EXPIRY, number_edit};

/// How often the view is made durable while there are writes. Opening replays at most this much.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);
/// How often what has expired is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// Values removed in one commit.
const SWEEP_MOST: usize = 1024;
/// Commits for one sweep: about 13,000 values a second can expire without piling up.
const SWEEP_COMMITS: usize = 64;

/// What the keeper works on.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) core: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) segments: Arc<Segments>,
    pub(crate) tail: Arc<Tail>,
    /// The shortest interval of any component that asked for one.
    pub(crate) sync_every: Option<Duration>,
}

/// Ends the keeper's thread.
#[derive(Debug)]
pub(crate) struct KeeperThread {
    keeper: Arc<Keeper>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl KeeperThread {
    pub(crate) fn start(keeper: Keeper) -> io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (keeper, stopped) = (Arc::new(keeper), Arc::clone(&stop));
        let working = Arc::clone(&keeper);
        let thread = std::thread::Builder::new().name("floodway-keep".into());
        let thread = thread.spawn(move || working.run(&stopped))?;
        Ok(Self { keeper, stop, thread })
    }

    /// Makes a checkpoint now, not when it is due.
    #[cfg(test)]
    pub(crate) fn checkpoint_now(&self) {
        self.keeper.checkpoint(&mut 0);
    }

    /// Removes what has expired now, not when it is due.
    #[cfg(test)]
    pub(crate) fn sweep_now(&self) {
        self.keeper.sweep();
    }

    /// Stops it and waits for its end; `None` if it panicked.
    pub(crate) fn join(self) -> Option<Arc<Keeper>> {
        *lock(&self.stop.0) = true;
        self.stop.1.notify_all();
        self.thread.join().ok().map(|()| self.keeper)
    }
}

/// Something that is done every now and then.
struct Every {
    period: Duration,
    due: Instant,
}

impl Every {
    fn new(period: Duration) -> Self {
        Self { period, due: monotonic() + period }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now + self.period;
        }
        is_due
    }
}

impl Keeper {
    fn run(&self, stop: &(Mutex<bool>, Condvar)) {
        let mut sync = self.sync_every.map(Every::new);
        let mut checkpoint = Every::new(CHECKPOINT_EVERY);
        let mut sweep = Every::new(SWEEP_EVERY);
        let mut reached = self.core.applied.load(Ordering::Acquire);
        loop {
            let due = [Some(checkpoint.due), Some(sweep.due), sync.as_ref().map(|sync| sync.due)];
            let first = due.into_iter().flatten().min().unwrap_or(checkpoint.due);
            if wait(stop, first.saturating_duration_since(monotonic())) {
                return;
            }
            let now = monotonic();
            if sync.as_mut().is_some_and(|sync| sync.is_due(now)) {
                self.sync();
            }
            if checkpoint.is_due(now) {
                self.checkpoint(&mut reached);
            }
            if sweep.is_due(now) {
                self.sweep();
            }
        }
    }

    /// Syncs what components with an interval wrote. A failure ends all writing, which callers see.
    fn sync(&self) {
        if self.is_writable()
            && self.tail.written() > self.tail.durable()
            && let Err(error) = self.tail.sync(self.disk.as_ref())
        {
            tracing::error!(%error, "could not sync the log");
        }
    }

    fn checkpoint(&self, reached: &mut u64) {
        let applied = self.core.applied.load(Ordering::Acquire);
        if !self.is_writable() || applied == *reached && self.segments.oldest_two().is_none() {
            return;
        }
        if applied > *reached {
            if let Err(error) = self.persist(applied) {
                tracing::error!(%error, "could not make the state durable");
                return;
            }
            *reached = applied;
        }
        if let Err(error) = self.reclaim(applied) {
            tracing::warn!(%error, "could not give back a log segment");
        }
    }

    /// Whether the log takes writes. When it does not, that was said when it began, and to every caller since.
    fn is_writable(&self) -> bool {
        self.tail.check().is_ok()
    }

    /// The log first, so that the view is never ahead of it on disk.
    fn persist(&self, applied: u64) -> io::Result<()> {
        if self.tail.durable() < applied {
            self.tail.sync(self.disk.as_ref())?;
        }
        self.core.view.persist()?;
        self.core.view.apply(vec![number_edit(DURABLE, applied)])
    }

    /// Removes the oldest segments that nobody needs: the view holds their operations for sure, and
    /// every group is past their messages.
    pub(crate) fn reclaim(&self, persisted: u64) -> io::Result<()> {
        while let Some([oldest, next]) = self.segments.oldest_two() {
            let is_held = oldest.last() <= persisted && self.tail.durable() >= next.head.first;
            if !is_held || !self.is_consumed(&oldest) {
                return Ok(());
            }
            self.disk.remove(&oldest.name)?;
            self.segments.remove_oldest();
            // One at a time: a crash must not bring back an older one without the newer.
            self.disk.sync_folder()?;
            tracing::debug!(segment = oldest.name, "gave back a log segment");
        }
        Ok(())
    }

    /// Messages without a group, such as dead letters that nobody has read, stay as long as there is room for them.
    fn is_consumed(&self, segment: &Segment) -> bool {
        let limits = &self.core.limits;
        let is_long = self.segments.count() as u64 * limits.segment_bytes > limits.unread_bytes;
        segment.topics().into_iter().all(|(topic, last)| {
            let Some(topic) = self.core.registry.by_id(topic) else { return true };
            let groups = topic.groups();
            let is_read = groups.iter().all(|group| group.cursor() >= last);
            is_read && (is_long || !groups.is_empty())
        })
    }

    /// Asks the committer to remove what is due, oldest first. What is refused waits for the next time.
    pub(crate) fn sweep(&self) {
        let upto = self.core.clock.now_ms().saturating_add(1).to_be_bytes();
        let mut from = Vec::new();
        for _ in 0..SWEEP_COMMITS {
            let found = self.core.view.range(EXPIRY, &from, &upto, SWEEP_MOST);
            let due: Vec<_> = match found {
                Ok(due) => due.into_iter().map(|(entry, _)| entry).collect(),
                Err(error) => return tracing::warn!(%error, "could not look for expired values"),
            };
            let is_last = due.len() < SWEEP_MOST;
            if let Some(last) = due.last() {
                from = last.to_vec();
                from.push(0);
            }
            if let Err(refused) = self.core.queue.push(Request::Sweep { due }) {
                return tracing::debug!(%refused, "expired values stay a little longer");
            }
            if is_last {
                return;
            }
        }
    }
}

/// Waits; `true` if it is time to stop.
fn wait((stopped, changed): &(Mutex<bool>, Condvar), at_most: Duration) -> bool {
    let guard = lock(stopped);
    let waited = changed.wait_timeout_while(guard, at_most, |stopped| !*stopped);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}
