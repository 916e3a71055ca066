//! The API as gRPC clients see it.

use std::collections::HashMap;

use dapr::dapr::proto::common::v1::http_extension::Verb;
use dapr::dapr::proto::common::v1::job_failure_policy::Policy;
use dapr::dapr::proto::common::v1::state_options::StateConcurrency;
use dapr::dapr::proto::common::v1::{
    Etag, HttpExtension, InvokeRequest, JobFailurePolicy, JobFailurePolicyConstant, StateItem, StateOptions,
};
use dapr::dapr::proto::runtime::v1::dapr_client::DaprClient;
use dapr::dapr::proto::runtime::v1::{
    BulkPublishRequest, BulkPublishRequestEntry, DeleteBulkStateRequest, DeleteJobsByPrefixRequest,
    DeleteStateRequest, ExecuteStateTransactionRequest, GetBulkStateRequest, GetJobRequest,
    GetMetadataRequest, GetStateRequest, GetStateResponse, InvokeServiceRequest, Job, ListJobsRequest,
    PublishEventRequest, SaveStateRequest, ScheduleJobRequest, SetMetadataRequest, ShutdownRequest,
    TransactionalStateOperation, TryLockRequest, UnlockRequest,
};
use floodway_api::ServerOptions;
use floodway_kit::{Reply, Upstream, eventually_blocking};
use prost_types::Any;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use crate::support::{Api, PATIENCE, api, api_for, api_with};

/// Runs a client's conversation with an API.
pub(crate) fn talk<F: Future>(api: &Api, say: impl FnOnce(DaprClient<Channel>) -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let address = format!("http://{}", api.grpc);
        say(DaprClient::connect(address).await.expect("somebody listens")).await
    })
}

fn item(key: &str, value: &str, etag: Option<&str>) -> StateItem {
    let etag = etag.map(|value| Etag { value: value.to_owned() });
    StateItem { key: key.to_owned(), value: value.as_bytes().to_vec(), etag, ..StateItem::default() }
}

fn save(states: Vec<StateItem>) -> SaveStateRequest {
    SaveStateRequest { store_name: "plain".to_owned(), states }
}

async fn get(client: &mut DaprClient<Channel>, key: &str) -> GetStateResponse {
    let request =
        GetStateRequest { store_name: "plain".to_owned(), key: key.to_owned(), ..GetStateRequest::default() };
    client.get_state(request).await.expect("an answer").into_inner()
}

#[test]
fn a_value_comes_back_byte_for_byte_with_its_etag() {
    let api = api();
    talk(&api, |mut client| async move {
        assert_eq!(get(&mut client, "absent").await, GetStateResponse::default());
        let bytes = StateItem { value: vec![0, 255, b'{'], ..item("k", "", None) };
        client.save_state(save(vec![bytes])).await.expect("saved");
        let first = get(&mut client, "k").await;
        assert_eq!((first.data, first.etag.is_empty()), (vec![0, 255, b'{'], false));
        let stale =
            client.save_state(save(vec![item("k", "x", Some("9999"))])).await.expect_err("a mismatch");
        assert_eq!(stale.code(), Code::Aborted, "{stale}");
        client.save_state(save(vec![item("k", "new", Some(&first.etag))])).await.expect("the right one");
        let second = get(&mut client, "k").await;
        assert_eq!(second.data, b"new");
        assert_ne!(second.etag, first.etag);
    });
    // What came by gRPC is there by HTTP too.
    assert_eq!(api.get("/v1.0/state/plain/k").text(), "new");
}

#[test]
fn the_first_write_wins_where_that_is_asked_for() {
    let api = api();
    talk(&api, |mut client| async move {
        let options =
            StateOptions { concurrency: StateConcurrency::ConcurrencyFirstWrite.into(), consistency: 0 };
        let once = || StateItem { options: Some(options), ..item("k", "v", Some("")) };
        client.save_state(save(vec![once()])).await.expect("the first");
        assert_eq!(
            client.save_state(save(vec![once()])).await.expect_err("the second").code(),
            Code::Aborted
        );
        let unknown = StateOptions { concurrency: 9, consistency: 0 };
        let wish = StateItem { options: Some(unknown), ..item("k", "v", None) };
        let refused = client.save_state(save(vec![wish])).await.expect_err("an unknown wish");
        assert_eq!(refused.code(), Code::InvalidArgument);
    });
}

#[test]
fn many_keys_are_read_and_removed_at_once() {
    let api = api();
    talk(&api, |mut client| async move {
        let ttl = HashMap::from([("ttlInSeconds".to_owned(), "3600".to_owned())]);
        let mortal = StateItem { metadata: ttl, ..item("b", "2", None) };
        client.save_state(save(vec![item("a", "1", None), mortal])).await.expect("saved");
        let read = GetBulkStateRequest {
            store_name: "plain".to_owned(),
            keys: ["a", "x", "b"].map(str::to_owned).to_vec(),
            ..GetBulkStateRequest::default()
        };
        let items = client.get_bulk_state(read.clone()).await.expect("items").into_inner().items;
        let seen: Vec<_> = items.iter().map(|item| (&*item.key, &*item.data, item.etag.is_empty())).collect();
        assert_eq!(seen, [("a", &b"1"[..], false), ("x", b"", true), ("b", b"2", false)]);
        assert!(items[2].metadata["ttlExpireTime"].ends_with('Z') && items[0].metadata.is_empty());
        let states = vec![item("a", "", Some("9999")), item("b", "", Some(&items[2].etag))];
        let removal = DeleteBulkStateRequest { store_name: "plain".to_owned(), states };
        assert_eq!(client.delete_bulk_state(removal).await.expect_err("one is stale").code(), Code::Aborted);
        let left = client.get_bulk_state(read).await.expect("items").into_inner().items;
        assert_eq!((&*left[0].data, &*left[2].data), (&b"1"[..], &b""[..]));
        let one = DeleteStateRequest {
            store_name: "plain".to_owned(),
            key: "a".to_owned(),
            ..DeleteStateRequest::default()
        };
        client.delete_state(one).await.expect("removed");
        assert!(get(&mut client, "a").await.data.is_empty());
    });
}

#[test]
fn a_transaction_happens_whole_or_not_at_all() {
    let api = api();
    talk(&api, |mut client| async move {
        let operation = |kind: &str, item| TransactionalStateOperation {
            operation_type: kind.to_owned(),
            request: Some(item),
        };
        let transaction = |operations| ExecuteStateTransactionRequest {
            store_name: "plain".to_owned(),
            operations,
            ..ExecuteStateTransactionRequest::default()
        };
        let good = vec![
            operation("upsert", item("a", "1", None)),
            operation("delete", item("a", "", None)),
            operation("upsert", item("b", "2", None)),
        ];
        client.execute_state_transaction(transaction(good)).await.expect("done");
        assert_eq!(
            (get(&mut client, "a").await.data, get(&mut client, "b").await.data),
            (vec![], b"2".to_vec())
        );
        let lost = vec![
            operation("upsert", item("c", "3", None)),
            operation("upsert", item("b", "9", Some("9999"))),
        ];
        let lost = client.execute_state_transaction(transaction(lost)).await.expect_err("a lost race");
        assert_eq!(lost.code(), Code::Aborted);
        assert!(get(&mut client, "c").await.data.is_empty());
        let odd =
            client.execute_state_transaction(transaction(vec![operation("merge", item("b", "", None))]));
        assert_eq!(odd.await.expect_err("no such operation").code(), Code::Unimplemented);
    });
}

#[test]
fn errors_have_codes_and_details() {
    let api = api();
    talk(&api, |mut client| async move {
        let missing = GetStateRequest {
            store_name: "none".to_owned(),
            key: "k".to_owned(),
            ..GetStateRequest::default()
        };
        let status = client.get_state(missing).await.expect_err("no such store");
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(details.error_info().expect("why").reason, "DAPR_STATE_NOT_FOUND");
        let illegal =
            client.save_state(save(vec![item("a||b", "", None)])).await.expect_err("an illegal key");
        assert_eq!(illegal.code(), Code::InvalidArgument);
        let lacking = client.shutdown(ShutdownRequest {}).await.expect_err("not served");
        assert_eq!(lacking.code(), Code::Unimplemented, "SDKs fall back on that");
    });
}

#[test]
#[expect(deprecated, reason = "JS calls the alpha method")]
fn messages_are_durable_and_delivered() {
    let app = Upstream::start(|seen| match seen.head.uri.path() {
        "/dapr/subscribe" => {
            Reply::now(200, r#"[{"pubsubname":"events","topic":"orders","route":"/orders"}]"#)
        }
        "/orders" => Reply::now(200, ""),
        _ => Reply::now(404, ""),
    });
    let api = api_for(&[("me", app.address())]);
    talk(&api, |mut client| async move {
        let one = PublishEventRequest {
            pubsub_name: "events".to_owned(),
            topic: "orders".to_owned(),
            data: br#"{"n":12345678901234567890.10}"#.to_vec(),
            data_content_type: "application/json".to_owned(),
            ..PublishEventRequest::default()
        };
        client.publish_event(one).await.expect("published");
        let entry = |id: &str| BulkPublishRequestEntry {
            entry_id: id.to_owned(),
            event: id.as_bytes().to_vec(),
            content_type: "text/plain".to_owned(),
            ..BulkPublishRequestEntry::default()
        };
        let many = |entries| BulkPublishRequest {
            pubsub_name: "events".to_owned(),
            topic: "orders".to_owned(),
            entries,
            ..BulkPublishRequest::default()
        };
        let both = client.bulk_publish_event(many(vec![entry("x"), entry("y")])).await.expect("published");
        assert!(both.into_inner().failed_entries.is_empty());
        let twice = client.bulk_publish_event_alpha1(many(vec![entry("x"), entry("x")])).await;
        assert_eq!(twice.expect_err("ids repeat").code(), Code::InvalidArgument);
        let nowhere =
            PublishEventRequest { pubsub_name: "none".to_owned(), ..PublishEventRequest::default() };
        assert_eq!(client.publish_event(nowhere).await.expect_err("nowhere").code(), Code::NotFound);
    });
    let delivered = || {
        let seen = app.seen().into_iter().filter(|seen| seen.head.uri.path() == "/orders");
        seen.map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect::<Vec<_>>()
    };
    eventually_blocking(PATIENCE, "all are delivered", || delivered().len() == 3);
    assert!(delivered().iter().any(|envelope| envelope.contains("12345678901234567890.10")));
}

#[test]
fn a_lock_is_held_by_one() {
    let api = api();
    talk(&api, |mut client| async move {
        let claim = |owner: &str| TryLockRequest {
            store_name: "locks".to_owned(),
            resource_id: "r".to_owned(),
            lock_owner: owner.to_owned(),
            expiry_in_seconds: 60,
        };
        let release = |owner: &str| UnlockRequest {
            store_name: "locks".to_owned(),
            resource_id: "r".to_owned(),
            lock_owner: owner.to_owned(),
        };
        assert!(client.try_lock_alpha1(claim("a")).await.expect("an answer").into_inner().success);
        assert!(!client.try_lock_alpha1(claim("b")).await.expect("an answer").into_inner().success);
        let mut statuses = Vec::new();
        for owner in ["b", "a", "a"] {
            statuses.push(client.unlock_alpha1(release(owner)).await.expect("an answer").into_inner().status);
        }
        assert_eq!(statuses, [2, 0, 1]);
        let nobody = client.try_lock_alpha1(claim("")).await.expect_err("an owner is needed");
        assert_eq!(nobody.code(), Code::InvalidArgument);
    });
}

#[test]
fn jobs_are_listed_and_ended_by_prefix() {
    let api = api();
    talk(&api, |mut client| async move {
        let constant = JobFailurePolicyConstant {
            interval: Some(prost_types::Duration { seconds: 2, nanos: 500_000_000 }),
            max_retries: Some(4),
        };
        let policy = JobFailurePolicy { policy: Some(Policy::Constant(constant)) };
        let data = Any { type_url: "type.example/note".to_owned(), value: vec![0, 255] };
        for name in ["bill/1", "bill-1", "bill-2", "clean"] {
            let job = Job {
                name: name.to_owned(),
                schedule: Some("@every 1h".to_owned()),
                data: Some(data.clone()),
                failure_policy: Some(policy),
                ..Job::default()
            };
            let made = client.schedule_job(ScheduleJobRequest { job: Some(job), overwrite: false }).await;
            assert_eq!(made.is_ok(), !name.contains('/'), "{name}: {made:?}");
        }
        let seen = client.get_job(GetJobRequest { name: "bill-1".to_owned() }).await.expect("a job");
        let seen = seen.into_inner().job.expect("a job");
        assert_eq!((seen.data, seen.failure_policy), (Some(data), Some(policy)));
        let prefix = Some("bill-".to_owned());
        let ended = client.delete_jobs_by_prefix(DeleteJobsByPrefixRequest { name_prefix: prefix }).await;
        ended.expect("ended");
        let left = client.list_jobs(ListJobsRequest {}).await.expect("a list").into_inner().jobs;
        assert_eq!(left.iter().map(|job| &*job.name).collect::<Vec<_>>(), ["clean"]);
        let gone = client.get_job(GetJobRequest { name: "bill-1".to_owned() }).await.expect_err("it is gone");
        assert_eq!(gone.get_error_details().error_info().expect("why").reason, "DAPR_SCHEDULER_GET_JOB");
    });
}

#[test]
fn metadata_says_who_and_what_there_is() {
    let api = api();
    talk(&api, |mut client| async move {
        let set = SetMetadataRequest { key: "team".to_owned(), value: "blue".to_owned() };
        client.set_metadata(set).await.expect("set");
        let metadata = client.get_metadata(GetMetadataRequest {}).await.expect("an answer").into_inner();
        assert_eq!(metadata.id, "me");
        assert_eq!(metadata.extended_metadata["team"], "blue");
        assert!(metadata.registered_components.iter().any(|component| component.name == "plain"));
    });
}

fn invoke(app: &str, method: &str, verb: Verb, body: &str) -> Request<InvokeServiceRequest> {
    let message = InvokeRequest {
        method: method.to_owned(),
        data: Some(Any { type_url: String::new(), value: body.as_bytes().to_vec() }),
        content_type: "text/plain".to_owned(),
        http_extension: Some(HttpExtension { verb: verb.into(), querystring: "q=1".to_owned() }),
    };
    Request::new(InvokeServiceRequest { id: app.to_owned(), message: Some(message) })
}

/// A POST of a text.
pub(crate) fn call(app: &str, method: &str, body: &str) -> Request<InvokeServiceRequest> {
    invoke(app, method, Verb::Post, body)
}

#[test]
fn calls_reach_apps_by_http() {
    let app = Upstream::start(|seen| match seen.head.uri.path() {
        "/fail" => Reply::now(409, "taken"),
        _ => Reply::now(200, format!("{} {} {}", seen.head.method, seen.head.uri, seen.body.len())),
    });
    let api = api_for(&[("stock", app.address())]);
    talk(&api, |mut client| async move {
        let mut request = invoke("stock", "a/../b", Verb::Put, "four");
        request.metadata_mut().insert("x-tenant", "t1".parse().expect("text"));
        let answer = client.invoke_service(request).await.expect("an answer").into_inner();
        assert_eq!(answer.data.expect("a body").value, b"PUT /b?q=1 4");
        let taken = client.invoke_service(invoke("stock", "fail", Verb::Post, "")).await.expect_err("409");
        assert_eq!((taken.code(), taken.message()), (Code::Aborted, "taken"));
        let nobody = client.invoke_service(invoke("nobody", "x", Verb::Post, "")).await;
        assert_eq!(nobody.expect_err("no such app").code(), Code::Internal);
    });
    let seen = app.seen().into_iter().find(|seen| seen.head.uri.path() == "/b").expect("the call");
    assert_eq!((seen.header("x-tenant"), seen.header("dapr-caller-app-id")), (Some("t1"), Some("me")));
    assert_eq!((seen.header("content-type"), seen.header("te")), (Some("text/plain"), None));
}

#[test]
fn a_method_of_nobody_is_no_missing_method_of_ours() {
    let api = api();
    talk(&api, |_client| async {
        let channel =
            Channel::from_shared(format!("http://{}", api.grpc)).expect("an address").connect().await;
        let mut grpc = tonic::client::Grpc::new(channel.expect("somebody listens"));
        grpc.ready().await.expect("a connection");
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let path = PathAndQuery::from_static("/shop.Orders/Place");
        let status = grpc.unary(Request::new(()), path, codec).await.expect_err("no app is named");
        assert_eq!(status.code(), Code::Unknown);
        assert!(status.message().starts_with("failed to proxy request"), "{status}");
    });
}

#[test]
fn nobody_gets_in_without_the_token() {
    let options = ServerOptions { token: Some("secret".to_owned()), ..ServerOptions::default() };
    let api = api_with(&[], options, None);
    talk(&api, |mut client| async move {
        let status = client.get_metadata(GetMetadataRequest {}).await.expect_err("no token");
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "invalid api token"));
        let mut request = Request::new(GetMetadataRequest {});
        request.metadata_mut().insert("dapr-api-token", "secret".parse().expect("text"));
        client.get_metadata(request).await.expect("the token");
    });
}

#[test]
fn a_message_beyond_the_limit_is_refused() {
    let options = ServerOptions { body_max: 1_000, ..ServerOptions::default() };
    let api = api_with(&[], options, None);
    talk(&api, |mut client| async move {
        let refused = client.save_state(save(vec![item("k", &"x".repeat(2_000), None)])).await;
        assert_eq!(refused.expect_err("too large").code(), Code::OutOfRange);
        client.save_state(save(vec![item("k", "small", None)])).await.expect("the connection goes on");
    });
}
