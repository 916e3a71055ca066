//! A small HTTP service: this very test binary, started again by the node.
//!
//! ```text
//! /healthz   200, or 500 while the file `sick` is in its folder
//! /who       service, replica and process id
//! /slow      answers after half a second
//! /die       ends the process with status 3
//! /take?N    takes some time, having written N and its process id to the file `taken`
//! /job/N     as `/take?N`
//! /child     starts a grandchild that stays, and answers with its process id
//! /say       prints a line
//! /shout     prints 8 MiB
//! ```

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

/// Says to this binary that it was started as a service.
pub(crate) const MARK: &str = "TEST_SERVICE";

/// The words for `run`.
pub(crate) fn run() -> String {
    let me = std::env::current_exe().expect("the kernel knows");
    format!("{} --exact service::serves_when_it_is_told_to --nocapture -q", me.display())
}

#[test]
fn serves_when_it_is_told_to() {
    if std::env::var_os(MARK).is_none() {
        return;
    }
    let port: u16 = std::env::var("PORT").expect("the node sets it").parse().expect("a port");
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    for stream in listener.incoming() {
        let stream = stream.expect("a connection");
        std::thread::spawn(move || serve(&stream));
    }
}

fn serve(stream: &TcpStream) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    loop {
        let first = lines.next()?.ok()?;
        let path = first.split(' ').nth(1)?.to_owned();
        let mut is_last = false;
        loop {
            let header = lines.next()?.ok()?;
            is_last |= header.eq_ignore_ascii_case("connection: close");
            if header.is_empty() {
                break;
            }
        }
        let (status, body) = answer(&path);
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()).ok()?;
        if is_last {
            return None;
        }
    }
}

fn answer(path: &str) -> (u16, String) {
    let env = |name: &str| std::env::var(name).unwrap_or_default();
    match path {
        "/healthz" if std::path::Path::new("sick").exists() => (500, "sick".into()),
        "/healthz" => (200, "well".into()),
        "/who" => {
            let (service, replica) = (env("FLOODWAY_SERVICE"), env("FLOODWAY_REPLICA"));
            (200, format!("{service}/{replica} {}", std::process::id()))
        }
        "/env" => {
            (200, ["DAPR_HTTP_PORT", "DAPR_GRPC_PORT", "FLOODWAY_SYSTEM", "GREETING"].map(env).join(" "))
        }
        "/slow" => {
            std::thread::sleep(Duration::from_millis(500));
            (200, "slow".into())
        }
        "/die" => std::process::exit(3),
        path if path.starts_with("/take?") || path.starts_with("/job/") => {
            let name = path.trim_start_matches("/take?").trim_start_matches("/job/");
            let line = format!("{name} {}\n", std::process::id());
            let taken = std::fs::File::options().create(true).append(true).open("taken");
            taken.and_then(|mut taken| taken.write_all(line.as_bytes())).expect("it can be written");
            std::thread::sleep(Duration::from_millis(5));
            (200, "taken".into())
        }
        "/child" => {
            let child = Command::new("sleep").arg("300").spawn().expect("sleep is there");
            (200, child.id().to_string())
        }
        "/say" => {
            println!("said something");
            (200, "said".into())
        }
        "/shout" => {
            let line = "x".repeat(1000);
            (0..8_000).for_each(|_| println!("{line}"));
            (200, "shouted".into())
        }
        _ => (404, "what?".into()),
    }
}
