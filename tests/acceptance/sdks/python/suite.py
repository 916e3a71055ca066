"""What Dapr's Python SDK asks of the API, by its own calls. `GET /result` tells what failed, once all is done."""

import json
import os
import queue
import threading
import time
import traceback

import grpc
from dapr.clients import DaprClient
from dapr.clients.grpc._jobs import ConstantFailurePolicy, Job
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._response import UnlockResponseStatus
from dapr.clients.grpc._state import Concurrency, StateItem, StateOptions

from grpc_health.v1 import health_pb2, health_pb2_grpc

import web

PATIENCE = 20
STORE = "books"

delivered = []
ran = []
result = {"done": False, "passed": [], "failed": {}}


def eventually(what, holds):
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(0.02)


def code_of(call):
    """The gRPC status that a call fails with."""
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    raise AssertionError("it did not fail")


def state_with_etags(dapr):
    assert dapr.get_state(STORE, "absent").data == b""
    dapr.save_state(STORE, "k", "v1")
    first = dapr.get_state(STORE, "k")
    assert (first.data, bool(first.etag)) == (b"v1", True)
    assert code_of(lambda: dapr.save_state(STORE, "k", "v2", etag="9999")) == grpc.StatusCode.ABORTED
    dapr.save_state(STORE, "k", "v2", etag=first.etag)
    second = dapr.get_state(STORE, "k")
    assert (second.data, second.etag != first.etag) == (b"v2", True)
    assert code_of(lambda: dapr.delete_state(STORE, "k", etag=first.etag)) == grpc.StatusCode.ABORTED
    dapr.delete_state(STORE, "k", etag=second.etag)
    assert dapr.get_state(STORE, "k").data == b""


def first_write_wins(dapr):
    once = StateOptions(concurrency=Concurrency.first_write)
    dapr.save_state(STORE, "once", "a", options=once)
    assert code_of(lambda: dapr.save_state(STORE, "once", "b", options=once)) == grpc.StatusCode.ABORTED
    assert dapr.get_state(STORE, "once").data == b"a"


def bulk_state_and_expiry(dapr):
    mortal = StateItem(key="mortal", value="x", metadata={"ttlInSeconds": "3600"})
    dapr.save_bulk_state(STORE, [StateItem(key="one", value="1"), mortal])
    items = dapr.get_bulk_state(STORE, ["one", "none", "mortal"]).items
    assert [(item.key, item.data) for item in items] == [("one", b"1"), ("none", b""), ("mortal", b"x")]
    assert code_of(lambda: dapr.save_state(STORE, "k", "v", state_metadata={"ttlInSeconds": "foo"}))


def transactions(dapr):
    def operation(kind, key, data=None, etag=None):
        return TransactionalStateOperation(operation_type=kind, key=key, data=data, etag=etag)

    upsert, delete = TransactionOperationType.upsert, TransactionOperationType.delete
    dapr.execute_state_transaction(
        STORE, [operation(upsert, "t1", "1"), operation(delete, "t1"), operation(upsert, "t2", "2")]
    )
    assert (dapr.get_state(STORE, "t1").data, dapr.get_state(STORE, "t2").data) == (b"", b"2")
    lost = [operation(upsert, "t3", "3"), operation(upsert, "t2", "9", etag="9999")]
    assert code_of(lambda: dapr.execute_state_transaction(STORE, lost)) == grpc.StatusCode.ABORTED
    assert dapr.get_state(STORE, "t3").data == b""


def messages_by_route(dapr):
    dapr.publish_event("events", "routed", json.dumps({"n": 1}), data_content_type="application/json")
    dapr.publish_events("events", "routed", ["two", "three"], data_content_type="text/plain")
    eventually("all are delivered", lambda: len(delivered) == 3)
    assert sorted(str(event["data"]) for event in delivered) == ["three", "two", "{'n': 1}"]
    assert {event["source"] for event in delivered} == {"suite"}


def messages_by_stream(dapr):
    stream = dapr.subscribe("events", "streamed", dead_letter_topic="refused")
    try:
        dapr.publish_event("events", "streamed", json.dumps({"n": 2}), data_content_type="application/json")
        message = stream.next_message()
        assert message.data() == {"n": 2}, message.data()
        stream.respond_retry(message)
        again = stream.next_message()
        assert again.id() == message.id()
        stream.respond_success(again)
        dapr.publish_event("events", "streamed", "bad", data_content_type="text/plain")
        stream.respond_drop(stream.next_message())
        dead = dapr.subscribe("events", "refused")
        letter = dead.next_message()
        assert letter.data() == "bad"
        dead.respond_success(letter)
        dead.close()
    finally:
        stream.close()


def messages_by_handler(dapr):
    seen = []

    def handle(message):
        seen.append(message.data())
        from dapr.clients.grpc._response import TopicEventResponse

        return TopicEventResponse("success")

    close = dapr.subscribe_with_handler("events", "handled", handle)
    for number in range(20):
        dapr.publish_event("events", "handled", str(number), data_content_type="text/plain")
    eventually("all are handled", lambda: len(set(seen)) == 20)
    close()


def locks(dapr):
    with dapr.try_lock("locks", "r", "me", expiry_in_seconds=60) as lock:
        assert lock.success
        with dapr.try_lock("locks", "r", "you", expiry_in_seconds=60) as other:
            assert not other.success
        answer = dapr.unlock("locks", "r", "you").status
        assert answer == UnlockResponseStatus.lock_belongs_to_others, answer
    assert dapr.unlock("locks", "r", "me").status == UnlockResponseStatus.lock_does_not_exist


def calls(dapr):
    answer = dapr.invoke_method("other", "echo?q=1", data="hello", http_verb="PUT").json()
    assert (answer["method"], answer["path"], answer["body"]) == ("PUT", "/echo?q=1", "hello"), answer
    assert answer["caller"] == "suite"
    try:
        dapr.invoke_method("other", "taken", http_verb="POST")
    except Exception as error:
        assert "409" in str(error) or "taken" in str(error), error
    else:
        raise AssertionError("a 409 is no success")


def calls_of_grpc_services(dapr):
    with grpc.insecure_channel(f"127.0.0.1:{os.environ['DAPR_GRPC_PORT']}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request, to = health_pb2.HealthCheckRequest(), (("dapr-app-id", "greeter"),)
        serving = health_pb2.HealthCheckResponse.SERVING
        eventually("it is reached", lambda: is_answered(lambda: stub.Check(request, metadata=to)))
        assert stub.Check(request, metadata=to).status == serving
        # A stream stays open, and its first message comes at once.
        stream = stub.Watch(request, metadata=to)
        assert next(stream).status == serving
        stream.cancel()
        unknown = health_pb2.HealthCheckRequest(service="nobody")
        assert code_of(lambda: stub.Check(unknown, metadata=to)) == grpc.StatusCode.NOT_FOUND
        assert code_of(lambda: stub.Check(request)) == grpc.StatusCode.UNKNOWN


def streams_and_trailers(_dapr):
    with grpc.insecure_channel(f"127.0.0.1:{os.environ['DAPR_GRPC_PORT']}") as channel:
        to = {"metadata": (("dapr-app-id", "greeter"),), "timeout": PATIENCE}
        answer, call = channel.unary_unary("/sdks.Greeter/Greet").with_call(b"you", **to)
        assert (answer, dict(call.trailing_metadata())["greeted"]) == (b"hello you", "suite")
        try:
            channel.unary_unary("/sdks.Greeter/Refuse")(b"", **to)
        except grpc.RpcError as error:
            assert (error.code(), error.details()) == (grpc.StatusCode.ALREADY_EXISTS, "there is one")
            assert dict(error.trailing_metadata())["why"] == "taken"
        else:
            raise AssertionError("a refusal is no success")
        echoes(channel.stream_stream("/sdks.Greeter/Echo"), to)
        code = code_of(lambda: channel.unary_unary("/sdks.Greeter/None")(b"", **to))
        assert code == grpc.StatusCode.UNIMPLEMENTED, code
        to["metadata"] = (("dapr-app-id", "none"),)
        code = code_of(lambda: channel.unary_unary("/sdks.Greeter/Greet")(b"", **to))
        assert code == grpc.StatusCode.UNAVAILABLE, code


def echoes(echo, to):
    """Each message is sent only once the one before it is back, so none may wait on the way for another."""
    messages = queue.SimpleQueue()
    answers = echo(iter(messages.get, None), **to)
    for number in range(100):
        messages.put(b"%d" % number * 1000)
        assert next(answers) == b"%d" % number * 1000
    messages.put(None)
    assert list(answers) == []


def is_answered(call):
    try:
        call()
        return True
    except grpc.RpcError:
        return False


def metadata(dapr):
    dapr.set_metadata("team", "blue")
    seen = dapr.get_metadata()
    assert seen.application_id == "suite"
    assert seen.extended_metadata["team"] == "blue"
    assert {component.name for component in seen.registered_components} >= {"books", "events", "locks"}


def jobs(dapr):
    policy = ConstantFailurePolicy(max_retries=2, interval_seconds=1)
    dapr.schedule_job(Job(name="soon", due_time="200ms", failure_policy=policy))
    eventually("the job ran", lambda: ran == ["/job/soon"])
    dapr.schedule_job(Job(name="later", schedule="@every 1h", repeats=3))
    seen = dapr.get_job("later")
    assert (seen.name, seen.schedule, seen.repeats) == ("later", "@every 1h", 3), seen
    assert code_of(lambda: dapr.schedule_job(Job(name="later", schedule="@daily"))) == grpc.StatusCode.ABORTED
    dapr.schedule_job(Job(name="later", schedule="@daily"), overwrite=True)
    assert dapr.get_job("later").schedule == "@daily"
    dapr.delete_job("later")
    assert code_of(lambda: dapr.get_job("later"))
    assert code_of(lambda: dapr.schedule_job(Job(name="never", schedule="at noon")))


def secrets(dapr):
    assert dapr.get_secret("vault", "SECRET").secret == {"SECRET": "open sesame"}
    assert dapr.get_bulk_secret("vault").secrets["SECRET"] == {"SECRET": "open sesame"}
    assert code_of(lambda: dapr.get_secret("none", "x")) == grpc.StatusCode.INVALID_ARGUMENT


def configuration(dapr):
    assert dapr.get_configuration("settings", ["color"]).items["color"].value == "blue"
    changes = []
    id = dapr.subscribe_configuration("settings", ["color"], lambda id, answer: changes.append(answer))
    with open(os.environ["SETTINGS"], "w") as file:
        json.dump({"color": "red"}, file)

    def is_seen():
        return any("color" in change.items and change.items["color"].value == "red" for change in changes)

    eventually("the change is seen", is_seen)
    assert dapr.unsubscribe_configuration("settings", id)


CHECKS = [
    state_with_etags,
    first_write_wins,
    bulk_state_and_expiry,
    transactions,
    messages_by_route,
    messages_by_stream,
    messages_by_handler,
    locks,
    calls,
    calls_of_grpc_services,
    streams_and_trailers,
    metadata,
    jobs,
    secrets,
    configuration,
]


def run():
    with DaprClient() as dapr:
        for check in CHECKS:
            try:
                check(dapr)
                result["passed"].append(check.__name__)
            except BaseException:
                result["failed"][check.__name__] = traceback.format_exc()
    result["done"] = True


def answer(method, path, headers, body):
    if path == "/dapr/subscribe":
        return 200, [{"pubsubname": "events", "topic": "routed", "route": "/routed"}]
    if path == "/routed":
        delivered.append(json.loads(body))
        return 200, {"status": "SUCCESS"}
    if path.startswith("/job/"):
        ran.append(path)
        return 200, None
    if path == "/result":
        return 200, result
    return (200, None) if path == "/healthz" else (404, None)


threading.Thread(target=run, daemon=True).start()
web.serve(answer)
