//! State: values of 256 bytes under a million keys, written so that they survive a loss of power, and read.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, ensure};
use dapr::dapr::proto::common::v1::StateItem;
use dapr::dapr::proto::runtime::v1::SaveStateRequest;
use dapr::dapr::proto::runtime::v1::dapr_client::DaprClient;
use tonic::transport::{Channel, Endpoint};

use super::closed::Caller;
use super::etcd::{Etcd, Put};
use super::http::Http;
use super::keys::{Keys, value};
use super::resp::Redis;
use super::servers::floodway::{Ports, STORE};
use super::{Contender, Size, Workload, contender, servers};

/// Callers by gRPC that share a connection.
const SHARED: usize = 16;

pub(super) async fn workloads(floodway: &Path, folder: &Path, size: Size) -> Result<Vec<Workload>> {
    let ours = servers::floodway::serve(floodway, folder).await?;
    let redis = servers::redis::serve(folder).await?;
    let etcd = servers::etcd::serve(folder).await?;
    let (ports, redis_at, etcd_at) = (ours.at, redis.at, etcd.at);
    let servers = super::held((ours, redis, etcd));
    let put = |batch: usize| {
        vec![
            contender("floodway, HTTP", "synced", size, move |size| http_puts(ports.http, size, batch)),
            contender("floodway, gRPC", "synced", size, move |size| grpc_puts(ports, size, batch)),
            contender("etcd, gRPC", "synced", size, move |size| etcd_puts(etcd_at, size, batch)),
            contender("Redis", "synced (appendfsync always)", size, move |size| {
                redis_calls(redis_at, size, batch, Word::Set)
            }),
        ]
    };
    let workload = |title: String, contenders: Vec<Contender>| Workload {
        title,
        contenders,
        servers: std::sync::Arc::clone(&servers),
    };
    Ok(vec![
        workload(format!("put, {} callers", size.callers), put(1)),
        workload(format!("put, {} callers, {} at once", size.callers, size.batch), put(size.batch)),
        workload(
            format!("get, {} callers", size.callers),
            vec![
                contender("floodway, HTTP", "-", size, move |size| http_gets(ports.http, size)),
                contender("Redis", "-", size, move |size| redis_calls(redis_at, size, 1, Word::Get)),
            ],
        ),
    ])
}

struct HttpPut {
    http: Http,
    keys: Keys,
    batch: usize,
    body: Vec<u8>,
}

async fn http_puts(address: SocketAddr, size: Size, batch: usize) -> Result<Vec<HttpPut>> {
    let mut callers = Vec::new();
    for number in 0..size.callers {
        let (http, keys) = (Http::connect(address).await?, Keys::new(number));
        callers.push(HttpPut { http, keys, batch, body: Vec::new() });
    }
    Ok(callers)
}

impl Caller for HttpPut {
    async fn call(&mut self) -> Result<u64> {
        self.body.clear();
        for number in 0..self.batch {
            self.body.push(if number == 0 { b'[' } else { b',' });
            self.body.extend_from_slice(b"{\"key\":\"");
            self.body.extend_from_slice(&self.keys.next());
            self.body.extend_from_slice(b"\",\"value\":\"");
            self.body.extend_from_slice(value());
            self.body.extend_from_slice(b"\"}");
        }
        self.body.push(b']');
        self.http.expect("POST", &format!("/v1.0/state/{STORE}"), &self.body).await?;
        Ok(self.batch as u64)
    }
}

struct HttpGet {
    http: Http,
    keys: Keys,
}

async fn http_gets(address: SocketAddr, size: Size) -> Result<Vec<HttpGet>> {
    let mut callers = Vec::new();
    for number in 0..size.callers {
        callers.push(HttpGet { http: Http::connect(address).await?, keys: Keys::new(number) });
    }
    Ok(callers)
}

impl Caller for HttpGet {
    async fn call(&mut self) -> Result<u64> {
        let key = self.keys.next();
        let path = format!("/v1.0/state/{STORE}/{}", String::from_utf8_lossy(&key));
        self.http.expect("GET", &path, b"").await?;
        Ok(1)
    }
}

struct GrpcPut {
    client: DaprClient<Channel>,
    keys: Keys,
    batch: usize,
}

async fn grpc_puts(ports: Ports, size: Size, batch: usize) -> Result<Vec<GrpcPut>> {
    let endpoint = Endpoint::from_shared(format!("http://{}", ports.grpc))?;
    let mut callers = Vec::new();
    while callers.len() < size.callers {
        let client = DaprClient::new(endpoint.connect().await?);
        let room = SHARED.min(size.callers - callers.len());
        let number = callers.len();
        callers.extend((0..room).map(|more| GrpcPut {
            client: client.clone(),
            keys: Keys::new(number + more),
            batch,
        }));
    }
    Ok(callers)
}

impl Caller for GrpcPut {
    async fn call(&mut self) -> Result<u64> {
        let item = |key: Vec<u8>| StateItem {
            key: String::from_utf8_lossy(&key).into_owned(),
            value: value().to_vec(),
            ..StateItem::default()
        };
        let states = (0..self.batch).map(|_| item(self.keys.next())).collect();
        self.client.save_state(SaveStateRequest { store_name: STORE.to_owned(), states }).await?;
        Ok(self.batch as u64)
    }
}

struct EtcdPut {
    client: Etcd,
    keys: Keys,
    batch: usize,
}

async fn etcd_puts(address: SocketAddr, size: Size, batch: usize) -> Result<Vec<EtcdPut>> {
    let mut callers = Vec::new();
    while callers.len() < size.callers {
        let client = Etcd::connect(address).await?;
        let room = SHARED.min(size.callers - callers.len());
        let number = callers.len();
        callers.extend((0..room).map(|more| EtcdPut {
            client: client.clone(),
            keys: Keys::new(number + more),
            batch,
        }));
    }
    Ok(callers)
}

impl Caller for EtcdPut {
    async fn call(&mut self) -> Result<u64> {
        let mut puts: Vec<_> =
            (0..self.batch).map(|_| Put { key: self.keys.next(), value: value().to_vec() }).collect();
        // Some of them may be the same, which etcd refuses.
        puts.sort_by(|a, b| a.key.cmp(&b.key));
        puts.dedup_by(|a, b| a.key == b.key);
        match puts.pop() {
            Some(put) if puts.is_empty() => self.client.put(put).await?,
            last => self.client.put_all(puts.into_iter().chain(last).collect()).await?,
        }
        Ok(self.batch as u64)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Set,
    Get,
}

struct RedisCall {
    redis: Redis,
    keys: Keys,
    batch: usize,
    word: Word,
}

async fn redis_calls(address: SocketAddr, size: Size, batch: usize, word: Word) -> Result<Vec<RedisCall>> {
    let mut callers = Vec::new();
    for number in 0..size.callers {
        let (redis, keys) = (Redis::connect(address).await?, Keys::new(number));
        callers.push(RedisCall { redis, keys, batch, word });
    }
    Ok(callers)
}

impl Caller for RedisCall {
    async fn call(&mut self) -> Result<u64> {
        for _ in 0..self.batch {
            let key = self.keys.next();
            match self.word {
                Word::Set => self.redis.add(&[b"SET", &key, value()]),
                Word::Get => self.redis.add(&[b"GET", &key]),
            }
        }
        let values = self.redis.send().await?;
        ensure!(self.word == Word::Get || values == 0, "Redis answers values to writes");
        Ok(self.batch as u64)
    }
}
