//! How fast the embedded engine is, beside what the disk under it can do.
//!
//! Prints one JSON object. The disk bounds a durable write by its sync (about 130 to 200 us here), which
//! group commit shares among all that wait; memory and CPU bound the rest.
//!
//! ```text
//! throughput [--folder DIR] [--seconds N] [--keys N] [--value-bytes N] [--tasks N] [--window N]
//! ```

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use floodway_blocks::state::{Change, Effect, Precondition, Store};
use floodway_blocks::topics::{Outgoing, Settlement, Subscription, Topics};
use floodway_embedded::{Durability, Engine, Options, StoreOptions, TopicsOptions};
use serde_json::{Value, json};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Debug, Clone)]
struct Plan {
    folder: PathBuf,
    seconds: f64,
    keys: u64,
    value_bytes: usize,
    tasks: u64,
    window: u64,
}

fn main() -> Outcome<()> {
    let plan = plan(std::env::args().skip(1))?;
    std::fs::create_dir_all(&plan.folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let append = disk_rate(&plan, false)?;
    let zeroed = disk_rate(&plan, true)?;
    let mut report = json!({
        "disk_append_fdatasync_per_s": append,
        "disk_zeroed_fdatasync_per_s": zeroed,
        "value_bytes": plan.value_bytes,
    });
    for (level, durability) in [("fsync", Durability::Fsync), ("none", Durability::None)] {
        report[level] = json!({
            "state": runtime.block_on(state(&plan, durability))?,
            "topics": runtime.block_on(topics(&plan, durability))?,
        });
    }
    println!("{report:#}");
    Ok(())
}

fn plan(mut flags: impl Iterator<Item = String>) -> Outcome<Plan> {
    let folder = std::env::temp_dir().join(format!("floodway-throughput-{}", std::process::id()));
    let mut plan = Plan { folder, seconds: 5.0, keys: 1_000_000, value_bytes: 256, tasks: 64, window: 256 };
    while let Some(flag) = flags.next() {
        let value = flags.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--folder" => plan.folder = value.into(),
            "--seconds" => plan.seconds = value.parse()?,
            "--keys" => plan.keys = value.parse()?,
            "--value-bytes" => plan.value_bytes = value.parse()?,
            "--tasks" => plan.tasks = value.parse()?,
            "--window" => plan.window = value.parse()?,
            _ => return Err(format!("unknown flag {flag}").into()),
        }
    }
    Ok(plan)
}

/// Syncs per second of 4 KiB writes, one after the other.
fn disk_rate(plan: &Plan, zeroed: bool) -> Outcome<f64> {
    let path = plan.folder.join("raw");
    let file = File::options().create(true).truncate(true).write(true).open(&path)?;
    let block = [1; 4096];
    let room = 64 << 20;
    if zeroed {
        for at in (0..room).step_by(1 << 20) {
            file.write_all_at(&vec![0; 1 << 20], at)?;
        }
        file.sync_all()?;
    }
    let (started, mut count) = (Instant::now(), 0u64);
    while started.elapsed().as_secs_f64() < plan.seconds {
        let at = if zeroed { count * 4096 % room } else { count * 4096 };
        file.write_all_at(&block, at)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = count as f64 / started.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(rate.round())
}

fn open(folder: &Path, durability: Durability) -> Outcome<Engine> {
    let options = Options {
        stores: vec![StoreOptions { name: "store".into(), durability }],
        topics: vec![TopicsOptions { name: "topics".into(), durability }],
        ..Options::default()
    };
    Ok(Engine::open(folder, options)?.0)
}

async fn state(plan: &Plan, durability: Durability) -> Outcome<Value> {
    let folder = plan.folder.join("state");
    let engine = open(&folder, durability)?;
    let store = engine.store("store").ok_or("the store is missing")?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for task in 0..plan.tasks {
        tasks.spawn(put_on(Arc::clone(&store), plan.clone(), task, Arc::clone(&stop)));
    }
    tokio::time::sleep(Duration::from_secs_f64(plan.seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    let took = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |per_mille: usize| latencies.get(latencies.len() * per_mille / 1000).copied().unwrap_or(0);
    let gets = get_rate(&store, plan).await?;
    let report = json!({
        "puts_per_s": (latencies.len() as f64 / took).round(),
        "p50_us": at(500), "p99_us": at(990), "p999_us": at(999), "max_us": latencies.last(),
        "gets_per_s": gets,
        "rss_mib": rss_mib()?,
    });
    drop(store);
    engine.close()?;
    std::fs::remove_dir_all(folder)?;
    Ok(report)
}

async fn put_on(store: Arc<dyn Store>, plan: Plan, task: u64, stop: Arc<AtomicBool>) -> Outcome<Vec<u32>> {
    let mut random = task.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let key = key(&mut random, plan.keys);
        let value = Bytes::from(noise(&mut random, plan.value_bytes));
        let started = Instant::now();
        let effect = Effect::Put { value, ttl: None };
        let verdicts = store.write_each(vec![Change { key, effect, precondition: Precondition::None }]).await;
        verdicts.into_iter().collect::<Result<(), _>>()?;
        latencies.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(latencies)
}

/// Reads by one task, for a fifth of the time.
async fn get_rate(store: &Arc<dyn Store>, plan: &Plan) -> Outcome<f64> {
    let (mut random, mut count, started) = (7, 0u64, Instant::now());
    while started.elapsed().as_secs_f64() < plan.seconds / 5.0 {
        store.get(&key(&mut random, plan.keys)).await?;
        count += 1;
    }
    Ok((count as f64 / started.elapsed().as_secs_f64()).round())
}

async fn topics(plan: &Plan, durability: Durability) -> Outcome<Value> {
    let folder = plan.folder.join("topics");
    let engine = open(&folder, durability)?;
    let topics = engine.topics("topics").ok_or("the topics are missing")?;
    let stop = Arc::new(AtomicBool::new(false));
    let consumed = Arc::new(AtomicU64::new(0));
    let subscription = topics.subscribe("orders", "group").await?;
    let mut receiving = JoinSet::new();
    receiving.spawn(consume(subscription, Arc::clone(&consumed)));
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for task in 0..plan.window {
        tasks.spawn(publish_on(Arc::clone(&topics), plan.value_bytes, task, Arc::clone(&stop)));
    }
    tokio::time::sleep(Duration::from_secs_f64(plan.seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let mut published = 0;
    while let Some(done) = tasks.join_next().await {
        published += done??;
    }
    let took = started.elapsed().as_secs_f64();
    let at_end = consumed.load(Ordering::Relaxed);
    while consumed.load(Ordering::Relaxed) < published && started.elapsed().as_secs_f64() < 2.0 * took + 10.0
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let consumed_all = consumed.load(Ordering::Relaxed);
    let drained = started.elapsed().as_secs_f64();
    drop(topics);
    engine.close()?;
    // Ends with the engine: its receive answers that the engine is stopping.
    receiving.join_all().await;
    std::fs::remove_dir_all(folder)?;
    Ok(json!({
        "published_per_s": (published as f64 / took).round(),
        "consumed_per_s": (consumed_all as f64 / drained).round(),
        "behind_at_end": published.saturating_sub(at_end),
        "lost": published.saturating_sub(consumed_all),
        "rss_mib": rss_mib()?,
    }))
}

async fn publish_on(topics: Arc<dyn Topics>, bytes: usize, task: u64, stop: Arc<AtomicBool>) -> Outcome<u64> {
    let mut random = task | 1;
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let payload = Bytes::from(noise(&mut random, bytes));
        topics.publish("orders", vec![Outgoing::new(payload)]).await?;
        count += 1;
    }
    Ok(count)
}

/// Receives and settles until the engine stops.
async fn consume(mut subscription: Box<dyn Subscription>, consumed: Arc<AtomicU64>) {
    while let Ok(messages) = subscription.receive(256).await {
        for message in &messages {
            if subscription.settle(message.position, Settlement::Done).await.is_err() {
                return;
            }
        }
        consumed.fetch_add(messages.len() as u64, Ordering::Relaxed);
    }
}

fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

fn key(random: &mut u64, keys: u64) -> String {
    format!("{:08}", next(random) % keys.max(1))
}

fn noise(random: &mut u64, bytes: usize) -> Vec<u8> {
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        noise.extend_from_slice(&next(random).to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

fn rss_mib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().next().ok_or("no figure")?.parse()?;
    Ok(kib / 1024)
}
