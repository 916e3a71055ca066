//! Locks: taken and given back, each under a name of its own, and many on one name.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};

use super::closed::Caller;
use super::etcd::Etcd;
use super::http::Http;
use super::servers::floodway::LOCKS;
use super::{Size, Workload, contender, servers};

/// Who wants the one lock that all want.
const WAITING: usize = 16;
const TTL_S: i64 = 60;
/// How the answer to a lock that was granted begins.
const GRANTED: &[u8] = br#"{"success":true"#;

pub(super) async fn workloads(floodway: &Path, folder: &Path, size: Size) -> Result<Vec<Workload>> {
    let ours = servers::floodway::serve(floodway, folder).await?;
    let etcd = servers::etcd::serve(folder).await?;
    let (http, etcd_at) = (ours.at.http, etcd.at);
    let servers = super::held((ours, etcd));
    let workload = |title: String, size: Size, name: Name| Workload {
        title,
        contenders: vec![
            contender("floodway, HTTP", "synced", size, move |size| ours_locks(http, size, name)),
            contender("etcd, gRPC", "synced", size, move |size| etcd_locks(etcd_at, size, name)),
        ],
        servers: Arc::clone(&servers),
    };
    let few = Size { callers: WAITING.min(size.callers), ..size };
    Ok(vec![
        workload(format!("lock and unlock, {} callers, own names", size.callers), size, Name::Own),
        workload(format!("lock and unlock, {} callers, one name", few.callers), few, Name::Same),
    ])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Own,
    Same,
}

impl Name {
    fn of(self, caller: usize) -> String {
        match self {
            Self::Own => format!("lock-{caller}"),
            Self::Same => "lock".to_owned(),
        }
    }
}

struct Ours {
    http: Http,
    lock: String,
    unlock: String,
}

async fn ours_locks(address: std::net::SocketAddr, size: Size, name: Name) -> Result<Vec<Ours>> {
    let mut callers = Vec::new();
    for number in 0..size.callers {
        let who = format!("\"resourceId\":\"{}\",\"lockOwner\":\"owner-{number}\"", name.of(number));
        callers.push(Ours {
            http: Http::connect(address).await?,
            lock: format!("{{{who},\"expiryInSeconds\":{TTL_S},\"waitInSeconds\":{TTL_S}}}"),
            unlock: format!("{{{who}}}"),
        });
    }
    Ok(callers)
}

impl Caller for Ours {
    async fn call(&mut self) -> Result<u64> {
        let path = format!("/v1.0-alpha1/lock/{LOCKS}");
        let answer = self.http.expect("POST", &path, self.lock.as_bytes()).await?;
        ensure!(answer.starts_with(GRANTED), "waited in vain: {}", String::from_utf8_lossy(answer));
        let path = format!("/v1.0-alpha1/unlock/{LOCKS}");
        let answer = self.http.expect("POST", &path, self.unlock.as_bytes()).await?;
        ensure!(answer == br#"{"status":0}"#, "a lock was lost: {}", String::from_utf8_lossy(answer));
        Ok(1)
    }
}

struct Theirs {
    etcd: Etcd,
    lease: i64,
    name: String,
}

async fn etcd_locks(address: std::net::SocketAddr, size: Size, name: Name) -> Result<Vec<Theirs>> {
    let mut callers = Vec::new();
    for number in 0..size.callers {
        let mut etcd = Etcd::connect(address).await?;
        let lease = etcd.lease(TTL_S).await?;
        callers.push(Theirs { etcd, lease, name: name.of(number) });
    }
    Ok(callers)
}

impl Caller for Theirs {
    async fn call(&mut self) -> Result<u64> {
        let key = self.etcd.lock(self.name.clone().into_bytes(), self.lease).await?;
        self.etcd.unlock(key).await?;
        Ok(1)
    }
}
