//! Three times what a service can do, by clients that do not wait for each other.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use floodway_kit::Upstream;
use floodway_policy::admission::{AdmissionPolicy, Class, Limit, PriorityPolicy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::support::builder;

/// Requests that the service does at once, and how long each takes: 100 a second. The gateway and the clients
/// must have time left, or it would be the machine that is overloaded.
const SERVERS: u32 = 4;
const SERVICE: Duration = Duration::from_millis(40);
const CAPACITY: u32 = 100;
/// One run at a time.
static TURN: Mutex<()> = Mutex::new(());
/// How long the overload lasts, in seconds: long beside its begin, when nothing is known of it yet.
const OVERLOAD_S: u32 = 5;
/// One request in ten is critical.
const CRITICAL: u32 = 10;
/// What takes longer although its service is idle was held up by the machine.
const STALL: Duration = Duration::from_millis(50);

/// A service that takes all requests there are, and does a few at once: the rest waits in it.
struct Service {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    work: Arc<Work>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What the service has done, and how long it took in all. On a busy machine the same work takes longer.
#[derive(Debug, Default)]
struct Work {
    requests: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Work {
    /// Requests and seconds since the last time that this was asked.
    fn take(&self) -> (f64, f64) {
        let [requests, nanoseconds] =
            [&self.requests, &self.nanoseconds].map(|sum| sum.swap(0, Ordering::Relaxed) as f64);
        (requests, nanoseconds / 1e9)
    }
}

impl Service {
    /// Requests a second that it could do since the last time that this was asked.
    fn capacity(&self) -> f64 {
        let (requests, seconds) = self.work.take();
        f64::from(SERVERS) * requests / seconds
    }

    fn start() -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let is_over = Arc::new(AtomicBool::new(false));
        let work = Arc::<Work>::default();
        let (over, done) = (Arc::clone(&is_over), Arc::clone(&work));
        let thread = thread::spawn(move || runtime().block_on(serve(listener, &over, &done)));
        Self { address, is_over, work, thread: Some(thread) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the service has not panicked");
        }
    }
}

async fn serve(listener: std::net::TcpListener, is_over: &AtomicBool, work: &Arc<Work>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    let servers = Arc::new(Semaphore::new(SERVERS as usize));
    let mut connections = JoinSet::new();
    while !is_over.load(Ordering::Relaxed) {
        let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        let Ok(Ok((mut stream, _))) = accepted else { continue };
        let (servers, work) = (Arc::clone(&servers), Arc::clone(work));
        connections.spawn(async move {
            let mut head = [0; 4096];
            while matches!(stream.read(&mut head).await, Ok(1..)) {
                let server = servers.acquire().await;
                let began = Instant::now();
                tokio::time::sleep_until(began + SERVICE).await;
                drop(server);
                work.requests.fetch_add(1, Ordering::Relaxed);
                let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                work.nanoseconds.fetch_add(took, Ordering::Relaxed);
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                    return;
                }
            }
        });
    }
}

/// What came of the requests of one phase.
#[derive(Debug, Default)]
struct Phase {
    /// Milliseconds of those that were answered with 200, and whether each was critical.
    served: Vec<(f64, bool)>,
    refused: usize,
    critical: usize,
    /// Critical ones that were not served, from when to when.
    lost: Vec<(Instant, Instant)>,
    /// From when to when the machine let requests wait that no service delays.
    stalls: Vec<(Instant, Instant)>,
}

impl Phase {
    fn goodput(&self, seconds: u32) -> f64 {
        self.served.len() as f64 / f64::from(seconds)
    }

    fn p99(&self) -> f64 {
        let mut times: Vec<_> = self.served.iter().map(|(time, _)| *time).collect();
        times.sort_by(f64::total_cmp);
        times.get(times.len() * 99 / 100).copied().unwrap_or_default()
    }

    /// Those that were lost while the machine itself stood still are not the gateway's fault.
    fn critical_share(&self) -> f64 {
        1.0 - (self.lost.len() - self.excused()) as f64 / self.critical as f64
    }

    fn excused(&self) -> usize {
        let overlaps = |lost: &(Instant, Instant)| {
            self.stalls.iter().any(|stall| stall.0 <= lost.1 && lost.0 <= stall.1)
        };
        self.lost.iter().filter(|lost| overlaps(lost)).count()
    }
}

/// Sends so many requests a second, each on a connection of its own, whatever becomes of those before.
async fn load(address: SocketAddr, rate: u32, seconds: u32) -> Phase {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut asked, mut controls) = (JoinSet::new(), JoinSet::new());
    for number in 0..rate * seconds {
        ticks.tick().await;
        let is_critical = number % CRITICAL == 0;
        asked.spawn(ask(address, "/work", is_critical));
        if is_critical {
            controls.spawn(ask(address, "/control", is_critical));
        }
    }
    let mut phase = Phase::default();
    while let Some(control) = controls.join_next().await {
        let (_, time, _, started) = control.expect("no panic");
        if time > STALL {
            phase.stalls.push((started, started + time));
        }
    }
    while let Some(answer) = asked.join_next().await {
        let (status, time, is_critical, started) = answer.expect("no panic");
        phase.critical += usize::from(is_critical);
        if is_critical && status != 200 {
            phase.lost.push((started, started + time));
        }
        if status == 200 {
            phase.served.push((time.as_secs_f64() * 1e3, is_critical));
        } else {
            phase.refused += 1;
        }
    }
    phase
}

async fn ask(address: SocketAddr, path: &str, is_critical: bool) -> (u16, Duration, bool, Instant) {
    let started = Instant::now();
    let priority = if is_critical { "critical" } else { "low" };
    let answer = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-priority: {priority}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
    };
    (answer.await.unwrap_or_default(), started.elapsed(), is_critical, started)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn overload(limit: Limit) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (service, idle) = (Service::start(), Upstream::always(200, "ok"));
    let admission = AdmissionPolicy { limit, queue_max: 40, queue_time: Duration::from_millis(200) };
    let gateway = builder()
        .service(&[service.address])
        .service(&[idle.address()])
        .route("/work", &[], 0)
        .route("/control", &[], 1)
        .guard(|guard| guard.admission = Some(admission))
        .priority(PriorityPolicy { header: "x-priority".into(), default: Class::NORMAL })
        .one_worker()
        .start();
    let address = gateway.address();
    runtime().block_on(async {
        // An adaptive limit finds its place first.
        load(address, CAPACITY, 2).await;
        service.capacity();
        let over = load(address, 3 * CAPACITY, OVERLOAD_S).await;
        let capacity = service.capacity();
        let after = load(address, CAPACITY / 2, 1).await;
        println!(
            "{limit:?}: at 3x {:.0}/s of {capacity:.0}/s, p99 {:.0} ms, {:.0} % of the critical ({} lost, {} of them in stalls), {} refused; after it {} refused, p99 {:.0} ms",
            over.goodput(OVERLOAD_S),
            over.p99(),
            over.critical_share() * 100.0,
            over.lost.len(),
            over.excused(),
            over.refused,
            after.refused,
            after.p99()
        );
        assert!(over.goodput(OVERLOAD_S) >= 0.9 * capacity, "{} of {capacity}", over.goodput(OVERLOAD_S));
        assert!(over.p99() <= 600.0, "{}", over.p99());
        assert!(over.critical_share() >= 0.95, "{}", over.critical_share());
        assert!(over.lost.len() * 4 <= over.critical, "{} of {}", over.lost.len(), over.critical);
        assert!(after.served.len() * 10 >= (after.served.len() + after.refused) * 9, "{after:?}");
    });
}

#[test]
fn a_fixed_limit_keeps_a_service_at_work_and_the_critical_served() {
    overload(Limit::Fixed(SERVERS * 2));
}

#[test]
fn a_limit_that_finds_itself_does_so_too() {
    overload(Limit::Adaptive(floodway_policy::adaptive::AdaptivePolicy::default()));
}
