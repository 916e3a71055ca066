//! What holds of any bytes that a service sends to the API: each request is answered, with a reason where it is
//! refused, and the API goes on. Used by fuzz targets too.

use bytes::{Buf as _, BufMut as _, Bytes};
use floodway_kit::http::send;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::support::{Api, api};

/// Where bodies are read.
const PATHS: [&str; 13] = [
    "/v1.0/state/plain",
    "/v1.0/state/out",
    "/v1.0/state/plain/bulk",
    "/v1.0/state/plain/transaction",
    "/v1.0/state/out/transaction",
    "/v1.0/publish/events/orders",
    "/v1.0/publish/bulk/events/orders",
    "/v1.0/publish/events/raw?metadata.rawPayload=true&metadata.ttlInSeconds=1",
    "/v1.0-alpha1/lock/locks",
    "/v1.0-alpha1/unlock/locks",
    "/v1.0-alpha1/jobs/any",
    "/v1.0/jobs/any",
    "/v1.0/bindings/none",
];

const TYPES: [&str; 4] =
    ["application/json", "application/cloudevents+json", "text/plain", "application/octet-stream"];

const METHODS: [&str; 20] = [
    "GetState",
    "SaveState",
    "DeleteState",
    "GetBulkState",
    "DeleteBulkState",
    "ExecuteStateTransaction",
    "PublishEvent",
    "BulkPublishEvent",
    "TryLockAlpha1",
    "UnlockAlpha1",
    "ScheduleJobAlpha1",
    "GetJobAlpha1",
    "DeleteJobAlpha1",
    "ListJobsAlpha1",
    "GetSecret",
    "GetBulkSecret",
    "GetConfiguration",
    "InvokeBinding",
    "InvokeService",
    "SetMetadata",
];

/// Sends a body to the path and with the type that the first byte names.
pub(crate) fn http(api: &Api, bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else { return };
    let (path, kind) = (usize::from(*first) % PATHS.len(), usize::from(*first) / PATHS.len() % TYPES.len());
    let headers = [("content-type", TYPES[kind])];
    let answer = send(api.address, "POST", PATHS[path], &headers, body).expect("every request is answered");
    if answer.status >= 400 {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let has_reason = ["errorCode", "message"].iter().all(|name| body[name].is_string())
            || body["failedEntries"].is_array();
        assert!(has_reason, "{} {}: {}", PATHS[path], answer.status, answer.text());
    }
    // Only what is not there is the API's own failure.
    let is_failure = answer.status >= 500 && !PATHS[path].contains("none");
    assert!(!is_failure, "{} {}: {}", PATHS[path], answer.status, answer.text());
}

/// Sends a message to the method that the first byte names, by gRPC.
pub(crate) fn grpc(caller: &GrpcCaller, bytes: &[u8]) {
    let Some((first, message)) = bytes.split_first() else { return };
    let method = METHODS[usize::from(*first) % METHODS.len()];
    if let Err(status) = caller.call(method, message) {
        let is_unread = status.message().contains("failed to decode Protobuf message");
        let is_ours = matches!(status.code(), Code::Unknown | Code::DataLoss | Code::Unavailable);
        assert!(!is_ours && (is_unread || !status.message().is_empty()), "{method}: {status:?}");
    }
}

/// A connection to an API.
pub(crate) struct GrpcCaller {
    runtime: Runtime,
    channel: Channel,
}

impl GrpcCaller {
    pub(crate) fn to(api: &Api) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let address = format!("http://{}", api.grpc);
        let endpoint = Channel::from_shared(address).expect("an address");
        let channel = runtime.block_on(endpoint.connect()).expect("somebody listens");
        Self { runtime, channel }
    }

    fn call(&self, method: &str, message: &[u8]) -> Result<Bytes, Status> {
        let path = format!("/dapr.proto.runtime.v1.Dapr/{method}");
        let path = PathAndQuery::from_maybe_shared(path).expect("a path");
        let request = tonic::Request::new(Bytes::copy_from_slice(message));
        self.runtime.block_on(async {
            let mut grpc = Grpc::new(self.channel.clone());
            grpc.ready().await.expect("the API goes on");
            grpc.unary(request, path, AsTheyAre).await.map(tonic::Response::into_inner)
        })
    }
}

/// Messages as bytes.
#[derive(Debug, Clone, Copy)]
struct AsTheyAre;

impl Codec for AsTheyAre {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for AsTheyAre {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for AsTheyAre {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}

/// Parts of bodies, right and wrong.
const PARTS: [&[u8]; 26] = [
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"\"key\":\"k\"",
    b"\"value\":1",
    b"\"etag\":\"1\"",
    b"null",
    b"\"keys\":[\"k\"]",
    b"\"operations\":[",
    b"\"operation\":\"upsert\"",
    b"\"request\":{",
    b"\"metadata\":{\"ttlInSeconds\":\"1\"}",
    b"\"entryId\":\"1\"",
    b"\"event\":{}",
    b"\"contentType\":\"text/plain\"",
    b"\"resourceId\":\"r\"",
    b"\"lockOwner\":\"o\"",
    b"\"expiryInSeconds\":1",
    b"\"schedule\":\"@every 1s\"",
    b"\xff",
    b"-1e9",
    b"\x0a\x05plain",
    b"\x12\x01k",
];

/// xorshift64 (Marsaglia 2003).
fn next(random: &mut u64) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    usize::try_from(*random >> 33).expect("31 bits")
}

fn made(seed: u64) -> Vec<u8> {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = vec![u8::try_from(seed % 256).expect("a byte")];
    for _ in 0..next(&mut random) % 12 {
        bytes.extend(PARTS[next(&mut random) % PARTS.len()]);
    }
    bytes
}

#[test]
fn any_body_is_answered() {
    let api = api();
    (1..1_500).for_each(|seed| http(&api, &made(seed)));
    assert_eq!(api.get("/v1.0/healthz").status, 204);
}

#[test]
fn any_message_is_answered() {
    let api = api();
    let caller = GrpcCaller::to(&api);
    (1..1_500).for_each(|seed| grpc(&caller, &made(seed)));
    assert_eq!(api.get("/v1.0/healthz").status, 204);
}
