//! Messages by Floodway: published by HTTP or gRPC, delivered by requests to the service or on a stream.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use dapr::dapr::proto::runtime::v1::dapr_client::DaprClient;
use dapr::dapr::proto::runtime::v1::subscribe_topic_events_request_alpha1::SubscribeTopicEventsRequestType as Said;
use dapr::dapr::proto::runtime::v1::subscribe_topic_events_response_alpha1::SubscribeTopicEventsResponseType as Told;
use dapr::dapr::proto::runtime::v1::{
    BulkPublishRequest, BulkPublishRequestEntry, PublishEventRequest, SubscribeTopicEventsRequestAlpha1,
    SubscribeTopicEventsRequestInitialAlpha1, SubscribeTopicEventsRequestProcessedAlpha1, TopicEventResponse,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

use super::{PREFETCH, Taken, whole_way};
use crate::blocks::Size;
use crate::blocks::app::{COUNT, ROUTED};
use crate::blocks::closed::{Caller, Done};
use crate::blocks::http::Http;
use crate::blocks::keys::value;
use crate::blocks::servers::floodway::{Ports, TOPICS};

/// The topic whose messages come on a stream.
const STREAMED: &str = "streamed";
/// Publishers by gRPC that share a connection.
const SHARED: usize = 16;

pub(super) async fn by_route(ports: Ports, size: Size, batch: usize) -> Result<Done> {
    let publishers = http_publishers(ports, size, ROUTED, batch).await?;
    let count = tokio::sync::Mutex::new(Http::connect(ports.app).await?);
    whole_way(publishers, size.time, async || {
        let mut http = count.lock().await;
        let body = http.expect("GET", COUNT, b"").await?;
        std::str::from_utf8(body)?.parse().context("the service counts no messages")
    })
    .await
}

pub(super) async fn by_stream(ports: Ports, size: Size, batch: usize, grpc: bool) -> Result<Done> {
    let taken = Taken::default();
    let consumer = consume(ports, taken.clone()).await?;
    let count = async || Ok(taken.so_far());
    let done = if grpc {
        whole_way(grpc_publishers(ports, size, batch).await?, size.time, count).await
    } else {
        whole_way(http_publishers(ports, size, STREAMED, batch).await?, size.time, count).await
    };
    drop(consumer);
    done
}

/// Takes messages on a stream until what it answers is dropped.
async fn consume(ports: Ports, taken: Taken) -> Result<JoinSet<()>> {
    let mut client = DaprClient::connect(format!("http://{}", ports.grpc)).await?;
    let (said, says) = mpsc::channel(usize::from(PREFETCH));
    let initial = SubscribeTopicEventsRequestInitialAlpha1 {
        pubsub_name: TOPICS.to_owned(),
        topic: STREAMED.to_owned(),
        ..Default::default()
    };
    let say = |said| SubscribeTopicEventsRequestAlpha1 { subscribe_topic_events_request_type: Some(said) };
    said.send(say(Said::InitialRequest(initial))).await?;
    let mut told = client.subscribe_topic_events_alpha1(ReceiverStream::new(says)).await?.into_inner();
    let mut consumer = JoinSet::new();
    consumer.spawn(async move {
        while let Ok(Some(message)) = told.message().await {
            let Some(Told::EventMessage(event)) = message.subscribe_topic_events_response_type else {
                continue;
            };
            let status = Some(TopicEventResponse::default());
            let processed = SubscribeTopicEventsRequestProcessedAlpha1 { id: event.id, status };
            if said.send(say(Said::EventProcessed(processed))).await.is_err() {
                return;
            }
            taken.add(1);
        }
    });
    Ok(consumer)
}

struct ByHttp {
    http: Http,
    path: String,
    batch: usize,
    body: Vec<u8>,
}

async fn http_publishers(ports: Ports, size: Size, topic: &str, batch: usize) -> Result<Vec<ByHttp>> {
    let (bulk, body) =
        if batch == 1 { ("", format!("\"{}\"", text()).into_bytes()) } else { ("bulk/", entries(batch)?) };
    let path = format!("/v1.0/publish/{bulk}{TOPICS}/{topic}");
    let mut publishers = Vec::new();
    for _ in 0..size.callers {
        let http = Http::connect(ports.http).await?;
        publishers.push(ByHttp { http, path: path.clone(), batch, body: body.clone() });
    }
    Ok(publishers)
}

fn text() -> std::borrow::Cow<'static, str> {
    String::from_utf8_lossy(value())
}

fn entries(batch: usize) -> Result<Vec<u8>> {
    let mut entries = String::new();
    for number in 0..batch {
        let comma = if number == 0 { '[' } else { ',' };
        let (event, kind) = (text(), "application/json");
        write!(
            entries,
            "{comma}{{\"entryId\":\"{number}\",\"event\":\"{event}\",\"contentType\":\"{kind}\"}}"
        )?;
    }
    entries.push(']');
    Ok(entries.into_bytes())
}

impl Caller for ByHttp {
    async fn call(&mut self) -> Result<u64> {
        self.http.expect("POST", &self.path, &self.body).await?;
        Ok(self.batch as u64)
    }
}

struct ByGrpc {
    client: DaprClient<Channel>,
    batch: usize,
}

async fn grpc_publishers(ports: Ports, size: Size, batch: usize) -> Result<Vec<ByGrpc>> {
    let endpoint = Endpoint::from_shared(format!("http://{}", ports.grpc))?;
    let mut publishers = Vec::new();
    while publishers.len() < size.callers {
        let client = DaprClient::new(endpoint.connect().await?);
        let room = SHARED.min(size.callers - publishers.len());
        publishers.extend((0..room).map(|_| ByGrpc { client: client.clone(), batch }));
    }
    Ok(publishers)
}

impl Caller for ByGrpc {
    async fn call(&mut self) -> Result<u64> {
        let (pubsub_name, topic) = (TOPICS.to_owned(), STREAMED.to_owned());
        let kind = "text/plain".to_owned();
        if self.batch == 1 {
            let data = value().to_vec();
            let request = PublishEventRequest {
                pubsub_name,
                topic,
                data,
                data_content_type: kind,
                ..Default::default()
            };
            self.client.publish_event(request).await?;
        } else {
            let entry = |number: usize| BulkPublishRequestEntry {
                entry_id: number.to_string(),
                event: value().to_vec(),
                content_type: kind.clone(),
                ..Default::default()
            };
            let entries = (0..self.batch).map(entry).collect();
            let request = BulkPublishRequest { pubsub_name, topic, entries, ..Default::default() };
            let failed = self.client.bulk_publish_event(request).await?.into_inner().failed_entries;
            anyhow::ensure!(failed.is_empty(), "{} messages were not published", failed.len());
        }
        Ok(self.batch as u64)
    }
}
