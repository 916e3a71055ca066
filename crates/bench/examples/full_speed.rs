//! What the generator itself costs: sends GETs to an address and prints the report and the requests per
//! CPU-second of this process, to compare with another generator's.
//!
//! ```text
//! cargo run --release -p floodway-bench --example full_speed -- 127.0.0.1:8080 500000 64 [RATE]
//! ```

use std::error::Error;
use std::num::NonZeroU32;

use floodway_bench::{Load, run};
use floodway_workload::{Rate, RequestTemplate, Retry, Rows, Template};
use rustix::time::{ClockId, clock_gettime};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "it is a command")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, requests, concurrency, rate @ ..] = arguments.as_slice() else {
        return Err("expected ADDRESS REQUESTS CONCURRENCY [REQUESTS_PER_SECOND]".into());
    };
    let load = Load {
        rows: Rows::Repeat(requests.parse()?),
        rate: rate.first().map(|rate| rate.parse::<NonZeroU32>()).transpose()?.map(Rate::per_second),
        concurrency: concurrency.parse()?,
        timeout: Load::TIMEOUT,
        retry: Retry::default(),
        request: RequestTemplate {
            method: "GET".into(),
            path: Template::parse("/")?,
            headers: Vec::new(),
            body: None,
        },
    };
    let report = run(&load, target.parse()?, None, |_| {}).await?;
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu_seconds = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    println!("{report}\n\n{:.0} requests per CPU-second", report.offered as f64 / cpu_seconds);
    Ok(())
}
