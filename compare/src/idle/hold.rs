//! Many connections at once, of which none does anything.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use floodway_kit::{http, pause_until};

use crate::served::Served;

/// Proxies give back what they do not need, and what is asked for at once is answered.
const SETTLE: Duration = Duration::from_secs(2);
/// Requests that touch what a proxy needs for any of them.
const WARM_UP: usize = 500;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: idle.example\r\n\r\n";

/// Resident bytes of a proxy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    count: u32,
    before: u64,
    with: u64,
    after: u64,
    /// Connections that were no longer there when they were used again.
    lost: usize,
}

/// Opens connections, each with one request, lets them be, and uses each again.
pub(super) fn measure(served: &Served, count: u32) -> Result<Held> {
    let mut warm = http::Connection::to(served.address)?;
    for _ in 0..WARM_UP {
        ask(&mut warm)?;
    }
    settle();
    let before = served.memory();
    let mut held = Vec::new();
    for index in 0..count {
        let mut connection = http::Connection::to(served.address)?;
        ask(&mut connection).with_context(|| format!("on connection {index}"))?;
        held.push(connection);
    }
    settle();
    let with = served.memory();
    let lost = held.iter_mut().filter_map(|connection| ask(connection).err()).count();
    drop(held);
    settle();
    Ok(Held { count, before, with, after: served.memory(), lost })
}

/// Lets what was begun come to rest.
#[expect(clippy::disallowed_methods, reason = "the time of another process")]
pub(super) fn settle() {
    pause_until(Instant::now() + SETTLE);
}

fn ask(connection: &mut http::Connection) -> Result<()> {
    connection.write(GET)?;
    let answer = connection.read_answer(false)?;
    ensure!(answer.status == 200, "status {}", answer.status);
    Ok(())
}

impl Held {
    pub(super) fn line(&self, name: &str) -> Vec<String> {
        let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
        let each = self.with.saturating_sub(self.before) as f64 / f64::from(self.count) / 1024.0;
        let figures = [mib(self.before), mib(self.with), format!("{each:.2}"), mib(self.after)];
        let figures = figures.into_iter().chain([self.lost.to_string()]);
        [name.to_owned()].into_iter().chain(figures).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_the_growth_among_the_connections() {
        let held = Held { count: 1024, before: 5 << 20, with: 7 << 20, after: 6 << 20, lost: 0 };
        assert_eq!(held.line("a"), ["a", "5.0", "7.0", "2.00", "6.0", "0"]);
    }
}
