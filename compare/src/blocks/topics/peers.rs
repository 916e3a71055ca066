//! Messages by RabbitMQ and NATS, through their own client crates.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::RetentionPolicy;
use futures_util::{StreamExt, TryStreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

use tokio::task::JoinSet;

use super::{PREFETCH, Taken, whole_way};
use crate::blocks::Size;
use crate::blocks::closed::{Caller, Done};
use crate::blocks::keys::value;
use crate::blocks::servers::rabbitmq::uri;

const QUEUE: &str = "compare";
/// Says that a message is to outlive the server.
const PERSISTENT: u8 = 2;

/// One durable queue of the classic kind, publishers with confirms, a consumer that acknowledges each message.
pub(super) async fn rabbitmq(address: SocketAddr, size: Size, batch: usize) -> Result<Done> {
    let publishing = Connection::connect(&uri(address), ConnectionProperties::default()).await?;
    let consuming = Connection::connect(&uri(address), ConnectionProperties::default()).await?;
    let channel = consuming.create_channel().await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), durable, FieldTable::default()).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut messages =
        channel.basic_consume(QUEUE.into(), "one".into(), options, FieldTable::default()).await?;
    let taken = Taken::default();
    let counted = taken.clone();
    let mut consumer = JoinSet::new();
    consumer.spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            if message.ack(BasicAckOptions::default()).await.is_err() {
                return;
            }
            counted.add(1);
        }
    });
    let mut publishers = Vec::new();
    for _ in 0..size.callers {
        let channel = publishing.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        publishers.push(ToRabbit { channel, batch });
    }
    let done = whole_way(publishers, size.time, async || Ok(taken.so_far())).await;
    for connection in [publishing, consuming] {
        connection.close(200, "done".into()).await?;
    }
    drop(consumer);
    done
}

struct ToRabbit {
    channel: Channel,
    batch: usize,
}

impl Caller for ToRabbit {
    async fn call(&mut self) -> Result<u64> {
        let mut confirms = Vec::with_capacity(self.batch);
        for _ in 0..self.batch {
            let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
            let options = BasicPublishOptions::default();
            let sent =
                self.channel.basic_publish("".into(), QUEUE.into(), options, value(), properties).await?;
            confirms.push(sent);
        }
        for confirm in confirms {
            let confirmed = confirm.await?;
            ensure!(matches!(confirmed, Confirmation::Ack(_)), "RabbitMQ did not take a message");
        }
        Ok(self.batch as u64)
    }
}

/// A stream on files whose messages go once they are acknowledged, and a consumer that pulls.
pub(super) async fn nats(address: SocketAddr, size: Size, batch: usize) -> Result<Done> {
    let context = jetstream::new(async_nats::connect(address.to_string()).await?);
    let stream = jetstream::stream::Config {
        name: QUEUE.to_owned(),
        subjects: vec![QUEUE.to_owned()],
        retention: RetentionPolicy::WorkQueue,
        ..Default::default()
    };
    let stream = context.get_or_create_stream(stream).await?;
    let config = pull::Config {
        durable_name: Some("one".to_owned()),
        max_ack_pending: i64::from(PREFETCH),
        ack_wait: Duration::from_mins(1),
        ..Default::default()
    };
    let pulled = stream.get_or_create_consumer("one", config).await?;
    let taken = Taken::default();
    let counted = taken.clone();
    let mut messages = pulled.stream().max_messages_per_batch(usize::from(PREFETCH)).messages().await?;
    let mut consumer = JoinSet::new();
    consumer.spawn(async move {
        while let Ok(Some(message)) = messages.try_next().await {
            if message.ack().await.is_err() {
                return;
            }
            counted.add(1);
        }
    });
    let publishers = (0..size.callers).map(|_| ToNats { context: context.clone(), batch }).collect();
    let done = whole_way(publishers, size.time, async || Ok(taken.so_far())).await;
    drop(consumer);
    done
}

struct ToNats {
    context: jetstream::Context,
    batch: usize,
}

impl Caller for ToNats {
    async fn call(&mut self) -> Result<u64> {
        let mut answers = Vec::with_capacity(self.batch);
        for _ in 0..self.batch {
            answers.push(self.context.publish(QUEUE, value().into()).await?);
        }
        for answer in answers {
            answer.await?;
        }
        Ok(self.batch as u64)
    }
}
