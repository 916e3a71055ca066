//! What a large backlog in a topic costs: whether publishing keeps its speed, how much memory it takes, how long
//! the engine needs to open after it was killed, and whether the disk is given back once all is consumed.
//!
//! Prints one JSON object. A second process of the same program publishes, and is killed while it does.
//!
//! ```text
//! backlog [--folder DIR] [--mib N]
//! ```

#![expect(clippy::print_stdout, reason = "the figures are this program's output")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use floodway_blocks::topics::{Outgoing, Settlement, Topics};
use floodway_embedded::{Durability, Engine, Limits, Options, TopicsOptions};
use serde_json::{Value, json};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const MESSAGE_BYTES: usize = 1 << 10;
/// Messages of one publication, and publications at once.
const BATCH: usize = 64;
const PUBLISHERS: usize = 8;
/// Parts of the whole after which the publisher says how it goes.
const PARTS: usize = 5;
const TOPIC: &str = "orders";
const GROUP: &str = "group";
/// How long segments may take to go after the last message: they go at checkpoints.
const RECLAIM_MAX: Duration = Duration::from_secs(30);

fn main() -> Outcome<()> {
    let mut folder = std::env::temp_dir().join(format!("floodway-backlog-{}", std::process::id()));
    let (mut mib, mut publishes) = (5 << 10, false);
    let mut flags = std::env::args().skip(1);
    while let Some(flag) = flags.next() {
        let mut value = || flags.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--folder" => folder = value()?.into(),
            "--mib" => mib = value()?.parse()?,
            "--publish" => publishes = true,
            _ => return Err(format!("unknown flag {flag}").into()),
        }
    }
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if publishes {
        return runtime.block_on(publish(&folder, mib));
    }
    let parts = fill(&folder, mib)?;
    let report = runtime.block_on(drain(&folder, mib, parts))?;
    println!("{report:#}");
    Ok(())
}

fn open(folder: &Path) -> Outcome<Engine> {
    let topics = vec![TopicsOptions { name: "topics".into(), durability: Durability::Fsync }];
    Ok(Engine::open(folder, Options { topics, ..Options::default() })?.0)
}

/// Has another process publish, and kills it when it has said that all is there; it goes on until then.
fn fill(folder: &Path, mib: usize) -> Outcome<Vec<Value>> {
    let mut publisher = Command::new(std::env::current_exe()?)
        .args(["--publish", "--mib", &mib.to_string(), "--folder"])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = publisher.stdout.take().ok_or("no output")?;
    let mut parts = Vec::new();
    for line in BufReader::new(output).lines() {
        parts.push(serde_json::from_str(&line?)?);
        if parts.len() == PARTS {
            publisher.kill()?;
        }
    }
    let status = publisher.wait()?;
    if parts.len() < PARTS {
        return Err(format!("the publisher ended with {status}").into());
    }
    Ok(parts)
}

/// Publishes for ever; says how it goes after each part of the whole.
async fn publish(folder: &Path, mib: usize) -> Outcome<()> {
    let engine = open(folder)?;
    let topics = engine.topics("topics").ok_or("the topics are missing")?;
    // The group's place is where it begins.
    drop(topics.subscribe(TOPIC, GROUP).await?);
    let part = (mib << 20) / MESSAGE_BYTES / PARTS;
    for _ in 0..PARTS {
        let started = Instant::now();
        publish_messages(&topics, part).await?;
        let per_second = (part as f64 / started.elapsed().as_secs_f64()).round();
        println!("{}", json!({ "published_per_s": per_second, "rss_mib": rss_mib()? }));
    }
    loop {
        publish_messages(&topics, PUBLISHERS * BATCH).await?;
    }
}

async fn publish_messages(topics: &Arc<dyn Topics>, messages: usize) -> Outcome<()> {
    let mut publishers = JoinSet::new();
    for _ in 0..PUBLISHERS {
        let topics = Arc::clone(topics);
        publishers.spawn(async move {
            let payload = Bytes::from(vec![b'm'; MESSAGE_BYTES]);
            for _ in 0..messages.div_ceil(PUBLISHERS * BATCH) {
                let batch = vec![Outgoing::new(payload.clone()); BATCH];
                topics.publish(TOPIC, batch).await?;
            }
            Ok::<_, floodway_blocks::Failure>(())
        });
    }
    while let Some(ended) = publishers.join_next().await {
        ended??;
    }
    Ok(())
}

/// Opens what the killed process left, consumes it, and looks at the disk before and after.
async fn drain(folder: &Path, mib: usize, parts: Vec<Value>) -> Outcome<Value> {
    let before_mib = log_mib(folder)?;
    let started = Instant::now();
    let engine = open(folder)?;
    let opened_s = started.elapsed().as_secs_f64();
    let opened_rss = rss_mib()?;
    let topics = engine.topics("topics").ok_or("the topics are missing")?;
    let mut group = topics.subscribe(TOPIC, GROUP).await?;
    let expected = (mib << 20) / MESSAGE_BYTES;
    let (mut consumed, mut most_rss, started) = (0, opened_rss, Instant::now());
    // There may be a few more than those that were counted.
    while let Ok(received) = tokio::time::timeout(Duration::from_secs(1), group.receive(1 << 10)).await {
        let received = received?;
        for message in &received {
            group.settle(message.position, Settlement::Done).await?;
        }
        if consumed / 100_000 != (consumed + received.len()) / 100_000 {
            most_rss = most_rss.max(rss_mib()?);
        }
        consumed += received.len();
    }
    let took = started.elapsed().as_secs_f64() - 1.0;
    let after_mib = reclaimed(folder).await?;
    drop((group, topics));
    engine.close()?;
    std::fs::remove_dir_all(folder)?;
    Ok(json!({
        "backlog_mib": mib,
        "parts": parts,
        "opened_s": opened_s,
        "opened_rss_mib": opened_rss,
        "consumed_per_s": (consumed as f64 / took).round(),
        "consuming_rss_mib": most_rss,
        "lost": expected.saturating_sub(consumed),
        "log_mib_before": before_mib,
        "log_mib_after": after_mib,
    }))
}

/// The size of the log when it is down to the segment in use and a spare one, or when its time is over.
async fn reclaimed(folder: &Path) -> Outcome<u64> {
    let started = Instant::now();
    let in_use = (2 * Limits::default().segment_bytes) >> 20;
    loop {
        let now = log_mib(folder)?;
        if now <= in_use || started.elapsed() > RECLAIM_MAX {
            return Ok(now);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn log_mib(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    let log: PathBuf = folder.join("log");
    for entry in std::fs::read_dir(log)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes >> 20)
}

fn rss_mib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().next().ok_or("no figure")?.parse()?;
    Ok(kib / 1024)
}
