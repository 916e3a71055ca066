//! A client of etcd: the few of its messages that are needed, written here as its own client crate runs a compiler
//! of protocol files when it is built.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// A connection, shared by those it is cloned to.
#[derive(Debug, Clone)]
pub(super) struct Etcd(Grpc<Channel>);

#[derive(Clone, PartialEq, Message)]
pub(super) struct Put {
    #[prost(bytes, tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(bytes, tag = "2")]
    pub(super) value: Vec<u8>,
}

/// One of a transaction's.
#[derive(Clone, PartialEq, Message)]
struct Operation {
    #[prost(message, tag = "2")]
    put: Option<Put>,
}

#[derive(Clone, PartialEq, Message)]
struct Transaction {
    #[prost(message, repeated, tag = "2")]
    success: Vec<Operation>,
}

#[derive(Clone, PartialEq, Message)]
struct LeaseGrant {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Lease {
    #[prost(int64, tag = "2")]
    id: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Lock {
    #[prost(bytes, tag = "1")]
    name: Vec<u8>,
    #[prost(int64, tag = "2")]
    lease: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Locked {
    #[prost(bytes, tag = "2")]
    key: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Unlock {
    #[prost(bytes, tag = "1")]
    key: Vec<u8>,
}

/// An answer of which nothing is looked at.
#[derive(Clone, PartialEq, Message)]
struct Answered {}

impl Etcd {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
        let channel = endpoint.connect().await.with_context(|| format!("cannot reach etcd at {address}"))?;
        Ok(Self(Grpc::new(channel)))
    }

    pub(super) async fn put(&mut self, put: Put) -> Result<()> {
        let Answered {} = self.ask("/etcdserverpb.KV/Put", put).await?;
        Ok(())
    }

    /// All or none.
    pub(super) async fn put_all(&mut self, puts: Vec<Put>) -> Result<()> {
        let success = puts.into_iter().map(|put| Operation { put: Some(put) }).collect();
        let Answered {} = self.ask("/etcdserverpb.KV/Txn", Transaction { success }).await?;
        Ok(())
    }

    /// A lease that locks are taken on.
    pub(super) async fn lease(&mut self, seconds: i64) -> Result<i64> {
        let Lease { id } = self.ask("/etcdserverpb.Lease/LeaseGrant", LeaseGrant { seconds }).await?;
        Ok(id)
    }

    /// Waits for a lock; what it is given back by.
    pub(super) async fn lock(&mut self, name: Vec<u8>, lease: i64) -> Result<Vec<u8>> {
        let Locked { key } = self.ask("/v3lockpb.Lock/Lock", Lock { name, lease }).await?;
        Ok(key)
    }

    pub(super) async fn unlock(&mut self, key: Vec<u8>) -> Result<()> {
        let Answered {} = self.ask("/v3lockpb.Lock/Unlock", Unlock { key }).await?;
        Ok(())
    }

    async fn ask<Q, A>(&mut self, method: &'static str, message: Q) -> Result<A>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        self.0.ready().await?;
        let codec = ProstCodec::<Q, A>::default();
        let path = PathAndQuery::from_static(method);
        let answer = self.0.unary(tonic::Request::new(message), path, codec).await;
        Ok(answer.with_context(|| format!("etcd refuses {method}"))?.into_inner())
    }
}
