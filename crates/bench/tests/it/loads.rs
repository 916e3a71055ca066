use std::collections::BTreeSet;
use std::future::ready;
use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use floodway_bench::{Load, Progress, Report, run};
use floodway_workload::{Backoff, Rate, RequestTemplate, Retry, Rows, Template};
use http::HeaderValue;
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};

use crate::server::{Server, always, reply};

pub(crate) fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

pub(crate) fn repeat(count: u64) -> Load {
    Load {
        rows: Rows::Repeat(count),
        rate: None,
        concurrency: 16,
        timeout: Duration::from_secs(10),
        retry: Retry::default(),
        request: RequestTemplate {
            method: "POST".into(),
            path: template("/orders"),
            headers: vec![("Idempotency-Key".into(), template("key-${row}"))],
            body: Some(template("order ${row}")),
        },
    }
}

pub(crate) fn csv(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

pub(crate) fn replay(file: &NamedTempFile) -> Load {
    Load { rows: Rows::Replay(file.path().to_owned()), ..repeat(0) }
}

const fn per_second(count: u32) -> Rate {
    Rate::per_second(NonZeroU32::new(count).unwrap())
}

const fn quick_retry(attempts: u32) -> Retry {
    let backoff = Backoff { initial: Duration::from_millis(5), max: Duration::from_millis(50) };
    Retry { attempts, backoff }
}

async fn ran(load: &Load, target: SocketAddr) -> Report {
    run(load, target, None, |_| {}).await.unwrap()
}

/// A port that nobody listens on, for now.
async fn unused_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn sends_each_row_once_and_counts_exactly() {
    let server =
        Server::start(
            |seen| async move { Some(reply(if seen.index.is_multiple_of(3) { 409 } else { 201 }, "")) },
        )
        .await;
    let report = ran(&repeat(300), server.address).await;
    assert_eq!((report.offered, report.accepted, report.unanswered), (300, 200, 0));
    assert_eq!(report.rejected.into_iter().collect::<Vec<_>>(), [(409, 100)]);
    assert_eq!(report.attempts, 300);
    let keys: BTreeSet<_> = server.requests().into_iter().map(|seen| seen.key).collect();
    assert_eq!(keys, (1..=300).map(|row| format!("key-{row}")).collect());
}

#[tokio::test]
async fn fills_the_request_from_the_row() {
    let server = Server::start(always(200)).await;
    let file = csv("id,name\n7,\"Ann, B\"\n8,Caf\u{e9}\n");
    let mut load = Load { concurrency: 1, ..replay(&file) };
    load.request.path = template("/people/${row:id}?row=${row}");
    load.request.body = Some(template("{\"name\":\"${row:name}\"}"));
    ran(&load, server.address).await;
    let seen = server.requests();
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/people/7?row=1"));
    assert_eq!(seen[0].body, "{\"name\":\"Ann, B\"}");
    assert_eq!(seen[1].body, "{\"name\":\"Caf\u{e9}\"}");
    assert_eq!(seen[1].host, server.address.to_string());
}

#[tokio::test]
async fn full_speed_is_bounded_by_concurrency() {
    let server = Server::start(|_| async {
        sleep(Duration::from_millis(5)).await;
        Some(reply(200, ""))
    })
    .await;
    ran(&Load { concurrency: 7, ..repeat(200) }, server.address).await;
    assert_eq!(server.in_flight_max(), 7);
    assert_eq!(server.connections(), 7, "connections are kept");
}

#[tokio::test]
async fn starts_no_request_early_and_keeps_few_connections() {
    let server = Server::start(always(200)).await;
    let load = Load { rate: Some(per_second(100)), concurrency: 512, ..repeat(30) };
    let report = ran(&load, server.address).await;
    assert!(report.duration >= Duration::from_millis(290), "{report}");
    assert!(server.connections() < 15, "{} connections", server.connections());
}

#[tokio::test]
async fn a_stall_shows_in_the_latency_from_the_intended_start() {
    const STALL: Duration = Duration::from_millis(400);
    let server = Server::start(|seen| async move {
        if seen.index == 20 {
            sleep(STALL).await;
        }
        Some(reply(200, ""))
    })
    .await;
    // With one slot, all that are due during the stall wait for it.
    let load = Load { rate: Some(per_second(200)), concurrency: 1, ..repeat(100) };
    let report = ran(&load, server.address).await;
    assert!(report.latency.p90 > STALL / 2, "{report}");
    assert!(report.service.p90 < STALL / 4 && report.service.max >= STALL, "{report}");
    assert!(report.late.p50 < STALL / 8, "waiting for room is not the generator's fault: {report}");
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it measures what it holds up")]
async fn a_generator_that_is_held_up_says_so() {
    const HELD: Duration = Duration::from_millis(300);
    // The server runs on the generator's thread, so this stops both.
    let server = Server::start(|seen| {
        let start = Instant::now();
        while seen.index == 20 && start.elapsed() < HELD {
            std::hint::spin_loop();
        }
        ready(Some(reply(200, "")))
    })
    .await;
    let load = Load { rate: Some(per_second(200)), concurrency: 64, ..repeat(100) };
    let report = ran(&load, server.address).await;
    assert!(!report.kept_its_schedule() && report.late.max >= HELD / 2, "{report}");
    assert!(report.latency.max >= report.late.max, "it counts as latency all the same: {report}");
}

#[tokio::test]
async fn retries_bring_all_through_a_server_that_comes_late() {
    let address = unused_address().await;
    let load = Load { retry: quick_retry(100), ..repeat(50) };
    let serve = async {
        sleep(Duration::from_millis(100)).await;
        Server::on(TcpListener::bind(address).await.unwrap(), always(201))
    };
    let (report, server) = tokio::join!(ran(&load, address), serve);
    assert_eq!((report.accepted, report.unanswered), (50, 0));
    assert!(report.failures.connect > 0 && report.retries() == report.failures.connect, "{report}");
    assert_eq!(server.requests().len(), 50);
}

#[tokio::test]
async fn retries_what_says_come_back_and_what_broke_off() {
    let server = Server::start(|seen| async move {
        match seen.index % 6 {
            0 => Some(reply(503, "")),
            1 => Some(reply(502, "")),
            2 => Some(reply(504, "")),
            3 => None,
            4 => {
                let mut busy = reply(429, "");
                busy.headers_mut().insert("retry-after", HeaderValue::from_static("0"));
                Some(busy)
            }
            _ => Some(reply(200, "")),
        }
    })
    .await;
    let report = ran(&Load { retry: quick_retry(1_000), ..repeat(60) }, server.address).await;
    assert_eq!((report.accepted, report.unanswered), (60, 0), "{report}");
    assert_eq!(report.attempts, server.requests().len() as u64);
    assert!(report.failures.broken > 0);
}

#[tokio::test]
async fn does_not_retry_a_refusal() {
    let server = Server::start(always(409)).await;
    let report = ran(&Load { retry: quick_retry(5), ..repeat(10) }, server.address).await;
    assert_eq!((report.retries(), report.rejected_total()), (0, 10));
}

#[tokio::test]
async fn gives_up_after_the_last_attempt() {
    let report = ran(&Load { retry: quick_retry(3), ..repeat(5) }, unused_address().await).await;
    assert_eq!((report.unanswered, report.attempts, report.failures.connect), (5, 15, 15));
}

#[tokio::test]
async fn no_answer_in_time_counts_as_unanswered() {
    let server = Server::start(|seen| async move {
        if seen.index == 1 {
            std::future::pending::<()>().await;
        }
        Some(reply(200, ""))
    })
    .await;
    let load = Load { timeout: Duration::from_millis(500), concurrency: 1, ..repeat(4) };
    let report = ran(&load, server.address).await;
    assert_eq!((report.accepted, report.unanswered, report.failures.timed_out), (3, 1, 1));
    assert!(report.latency.max >= Duration::from_millis(500), "{report}");
}

#[tokio::test]
async fn a_connection_closed_between_requests_is_no_failure() {
    let server = Server::start(|_| async {
        let mut last = reply(200, "");
        last.headers_mut().insert("connection", HeaderValue::from_static("close"));
        Some(last)
    })
    .await;
    let report = ran(&Load { concurrency: 2, ..repeat(20) }, server.address).await;
    assert_eq!((report.accepted, report.attempts), (20, 20));
    assert_eq!(server.connections(), 20);
}

#[tokio::test]
async fn a_connection_closed_without_notice_is_replaced() {
    let server = Server::raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    // Between requests it is noticed while idle; at full speed, only when the next is about to be sent.
    for rate in [Some(per_second(50)), None] {
        let load = Load { rate, concurrency: 1, ..repeat(10) };
        let report = ran(&load, server.address).await;
        assert_eq!((report.accepted, report.attempts), (10, 10), "{report}");
    }
    assert_eq!(server.connections(), 20);
}

#[tokio::test]
async fn what_is_no_http_is_a_broken_answer() {
    let server = Server::raw(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let report = ran(&Load { retry: quick_retry(2), ..repeat(3) }, server.address).await;
    assert_eq!((report.unanswered, report.failures.broken), (3, 6), "{report}");
}

#[tokio::test]
async fn an_answer_cut_short_is_a_broken_answer() {
    let server = Server::raw(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok").await;
    let report = ran(&repeat(3), server.address).await;
    assert_eq!((report.unanswered, report.failures.broken), (3, 3), "{report}");
}

#[tokio::test]
async fn runs_as_a_task_of_its_own() {
    let server = Server::start(always(200)).await;
    let address = server.address;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { ran(&repeat(10), address).await });
    assert_eq!(tasks.join_next().await.unwrap().unwrap().accepted, 10);
}

#[tokio::test]
async fn the_journal_has_a_line_for_each_request() {
    let server = Server::start(|seen| async move {
        match seen.key.as_str() {
            "key-1" => Some(reply(201, "{\"id\":\"a,b\"}\n")),
            "key-2" => Some(reply(409, &"x".repeat(10_000))),
            _ => None,
        }
    })
    .await;
    let journal = NamedTempFile::new().unwrap();
    let load = Load { concurrency: 1, retry: quick_retry(2), ..repeat(3) };
    let report = run(&load, server.address, Some(journal.path()), |_| {}).await.unwrap();
    let mut reader = csv::Reader::from_path(journal.path()).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["row", "status", "attempts", "latency_us", "body"]);
    let lines: Vec<_> = reader.records().map(Result::unwrap).collect();
    let without_latency = |at: usize| [&lines[at][0], &lines[at][1], &lines[at][2]];
    assert_eq!(lines.len(), 3);
    assert_eq!(without_latency(0), ["1", "201", "1"]);
    assert_eq!(&lines[0][4], "{\"id\":\"a,b\"}\n");
    assert_eq!(without_latency(1), ["2", "409", "1"]);
    assert_eq!(lines[1][4].len(), 4_096);
    assert_eq!(without_latency(2), ["3", "0", "2"]);
    assert_eq!(&lines[2][4], "");
    let slowest = lines.iter().map(|line| line[3].parse::<u64>().unwrap()).max().unwrap();
    assert!(Duration::from_micros(slowest) <= report.latency.max);
}

#[tokio::test]
async fn progress_ends_with_all_of_it() {
    let server = Server::start(always(200)).await;
    let seen: Mutex<Vec<Progress>> = Mutex::default();
    let load = Load { rate: Some(per_second(200)), ..repeat(60) };
    run(&load, server.address, None, |progress| seen.lock().unwrap().push(progress)).await.unwrap();
    let seen = seen.into_inner().unwrap();
    let last = seen.last().unwrap();
    assert_eq!((last.total, last.ended, last.accepted, last.in_flight), (60, 60, 60, 0));
    assert!(seen.len() >= 3 && seen.is_sorted_by_key(|progress| progress.ended), "{seen:?}");
}

#[tokio::test]
async fn dropping_the_run_stops_it() {
    let server = Server::start(|_| async {
        sleep(Duration::from_millis(1)).await;
        Some(reply(200, ""))
    })
    .await;
    let load = repeat(1_000_000);
    let stopped = timeout(Duration::from_millis(200), run(&load, server.address, None, |_| {})).await;
    assert!(stopped.is_err(), "it would take minutes");
    let all_closed = async {
        while server.open() > 0 {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), all_closed).await.unwrap();
    assert!(server.connections() > 0);
}

#[tokio::test]
async fn loses_nothing_when_the_server_is_restarted() {
    let server = Server::start(always(201)).await;
    let address = server.address;
    let load = Load { rate: Some(per_second(400)), retry: quick_retry(200), ..repeat(200) };
    let restart = async {
        while server.requests().len() < 50 {
            yield_now().await;
        }
        let before = server.requests();
        drop(server);
        // Until requests were refused, nothing listens.
        while TcpStream::connect(address).await.is_ok() {
            yield_now().await;
        }
        sleep(Duration::from_millis(100)).await;
        (before, Server::on(TcpListener::bind(address).await.unwrap(), always(201)))
    };
    let (report, (before, after)) = tokio::join!(ran(&load, address), restart);
    assert_eq!((report.accepted, report.unanswered), (200, 0), "{report}");
    assert!(report.failures.connect > 0, "{report}");
    let keys = before.into_iter().chain(after.requests()).map(|seen| seen.key);
    assert_eq!(keys.collect::<BTreeSet<_>>().len(), 200);
}

#[tokio::test]
async fn an_endless_body_is_not_read_on() {
    let body = "x".repeat(17 << 20);
    let server = Server::start(move |_| ready(Some(reply(200, &body)))).await;
    let report = ran(&Load { concurrency: 1, ..repeat(2) }, server.address).await;
    assert_eq!((report.accepted, report.attempts), (2, 2));
    assert_eq!(server.connections(), 2, "it closes the connection instead");
}
