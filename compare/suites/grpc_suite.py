"""gRPC through a proxy, by grpcio on both sides.

    grpc_suite.py serve PORT
    grpc_suite.py check ADDRESS TLS_ADDRESS CA_FILE

`check` prints a line of JSON for each case: its name, and why it failed or null.
"""

import json
import sys
import threading
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SERVICE = "floodway.suite.Echo"
# For messages of 16 MiB, where the default ends at 4.
ROOM = [("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)]
PATIENCE = 20

# === the server ===

cancelled = threading.Event()


def unary(request, context):
    metadata = dict(context.invocation_metadata())
    if "x-initial" in metadata:
        context.send_initial_metadata([("x-initial", metadata["x-initial"])])
    if "x-trailing-bin" in metadata:
        context.set_trailing_metadata([("x-trailing-bin", metadata["x-trailing-bin"])])
    if request == b"fail":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nothing fits: 100 % \u00fcber")
    if request == b"time left":
        return str(context.time_remaining()).encode()
    if request == b"sleep":
        time.sleep(3)
    if request == b"was it cancelled?":
        return b"yes" if cancelled.wait(PATIENCE) else b"no"
    return request


def download(request, context):
    count, size = map(int, request.split())
    for _ in range(count):
        yield b"x" * size


def upload(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def chat(requests, context):
    for request in requests:
        if request == b"fail":
            context.abort(grpc.StatusCode.DATA_LOSS, "in the midst")
        yield request


def wait(request, context):
    context.add_callback(cancelled.set)
    yield b"here"
    while context.is_active():
        time.sleep(0.02)


def serve(port):
    server = grpc.server(futures.ThreadPoolExecutor(64), options=ROOM)
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Download": grpc.unary_stream_rpc_method_handler(download),
        "Upload": grpc.stream_unary_rpc_method_handler(upload),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
        "Wait": grpc.unary_stream_rpc_method_handler(wait),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    status = health.HealthServicer()
    status.set("", health_pb2.HealthCheckResponse.SERVING)
    status.set(SERVICE, health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


# === the client ===


class Client:
    def __init__(self, channel):
        self.channel = channel
        self.unary = channel.unary_unary(f"/{SERVICE}/Unary")
        self.download = channel.unary_stream(f"/{SERVICE}/Download")
        self.upload = channel.stream_unary(f"/{SERVICE}/Upload")
        self.chat = channel.stream_stream(f"/{SERVICE}/Chat")
        self.wait = channel.unary_stream(f"/{SERVICE}/Wait")
        self.health = health_pb2_grpc.HealthStub(channel)


def refused(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it succeeded")


def expect(got, wanted):
    assert got == wanted, f"{got!r} instead of {wanted!r}"


class Conversation:
    """Messages one at a time, each after the answer to the one before."""

    def __init__(self, chat):
        self.next = []
        self.ready = threading.Condition()
        self.answers = chat(iter(self.take, None), timeout=PATIENCE)

    def take(self):
        with self.ready:
            self.ready.wait_for(lambda: self.next)
            return self.next.pop(0)

    def say(self, message):
        with self.ready:
            self.next.append(message)
            self.ready.notify()


def unary_echo(client):
    expect(client.unary(b"hello", timeout=PATIENCE), b"hello")


def empty_message(client):
    expect(client.unary(b"", timeout=PATIENCE), b"")


def health_check(client):
    answer = client.health.Check(health_pb2.HealthCheckRequest(service=""), timeout=PATIENCE)
    expect(answer.status, health_pb2.HealthCheckResponse.SERVING)
    answer = client.health.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=PATIENCE)
    expect(answer.status, health_pb2.HealthCheckResponse.NOT_SERVING)
    unknown = health_pb2.HealthCheckRequest(service="nobody")
    expect(refused(lambda: client.health.Check(unknown, timeout=PATIENCE)).code(), grpc.StatusCode.NOT_FOUND)


def health_watch(client):
    watching = client.health.Watch(health_pb2.HealthCheckRequest(service=""), timeout=PATIENCE)
    expect(next(watching).status, health_pb2.HealthCheckResponse.SERVING)
    watching.cancel()


def server_stream(client):
    sizes = [len(message) for message in client.download(b"1000 100", timeout=PATIENCE)]
    expect((len(sizes), sum(sizes)), (1000, 100_000))


def server_stream_large(client):
    sizes = [len(message) for message in client.download(b"64 1048576", timeout=PATIENCE)]
    expect(sum(sizes), 64 << 20)


def client_stream(client):
    total = client.upload((b"x" * 1000 for _ in range(1000)), timeout=PATIENCE)
    expect(total, b"1000000")


def bidirectional(client):
    conversation = Conversation(client.chat)
    for number in range(200):
        message = f"message {number}".encode()
        conversation.say(message)
        expect(next(conversation.answers), message)
    conversation.say(None)
    expect(list(conversation.answers), [])


def stands_still(client):
    conversation = Conversation(client.chat)
    for pause in (0, 2, 0):
        time.sleep(pause)
        conversation.say(b"still there")
        expect(next(conversation.answers), b"still there")
    conversation.say(None)


def fails_midway(client):
    answers = client.chat(iter([b"one", b"fail"]), timeout=PATIENCE)
    expect(next(answers), b"one")
    error = refused(lambda: list(answers))
    expect((error.code(), error.details()), (grpc.StatusCode.DATA_LOSS, "in the midst"))


def metadata(client):
    sent = [("x-initial", "there"), ("x-trailing-bin", bytes(range(256)))]
    _, call = client.unary.with_call(b"x", timeout=PATIENCE, metadata=sent)
    expect(dict(call.initial_metadata()).get("x-initial"), "there")
    expect(dict(call.trailing_metadata()).get("x-trailing-bin"), bytes(range(256)))


def much_metadata(client):
    sent = [("x-initial", "y" * 6000)]
    _, call = client.unary.with_call(b"x", timeout=PATIENCE, metadata=sent)
    expect(dict(call.initial_metadata()).get("x-initial"), "y" * 6000)


def status_and_message(client):
    error = refused(lambda: client.unary(b"fail", timeout=PATIENCE))
    expect(
        (error.code(), error.details()),
        (grpc.StatusCode.FAILED_PRECONDITION, "nothing fits: 100 % \u00fcber"),
    )


def unknown_method(client):
    call = client.channel.unary_unary(f"/{SERVICE}/Nothing")
    expect(refused(lambda: call(b"", timeout=PATIENCE)).code(), grpc.StatusCode.UNIMPLEMENTED)


def deadline_is_told(client):
    left = float(client.unary(b"time left", timeout=5))
    assert 3 < left < 5.2, f"the server has {left} s"


def deadline_ends_a_call(client):
    started = time.monotonic()
    error = refused(lambda: client.unary(b"sleep", timeout=0.5))
    expect(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
    assert time.monotonic() - started < 2, "it took too long"


def cancellation_arrives(client):
    call = client.wait(b"", timeout=PATIENCE)
    expect(next(call), b"here")
    call.cancel()
    expect(client.unary(b"was it cancelled?", timeout=PATIENCE), b"yes")


def large_message(client):
    message = bytes(16 << 20)
    assert client.unary(message, timeout=PATIENCE) == message, "another message"


def many_at_once(client):
    calls = [client.unary.future(f"{number}".encode(), timeout=PATIENCE) for number in range(500)]
    for number, call in enumerate(calls):
        expect(call.result(), f"{number}".encode())


def compressed(client):
    message = b"a" * 100_000
    answer = client.unary(message, timeout=PATIENCE, compression=grpc.Compression.Gzip)
    assert answer == message, "another message"


def nobody_there(client):
    call = client.channel.unary_unary("/floodway.suite.Dead/Unary")
    expect(refused(lambda: call(b"", timeout=PATIENCE)).code(), grpc.StatusCode.UNAVAILABLE)


CASES = [
    unary_echo, empty_message, health_check, health_watch, server_stream, server_stream_large, client_stream,
    bidirectional, stands_still, fails_midway, metadata, much_metadata, status_and_message, unknown_method,
    deadline_is_told, deadline_ends_a_call, cancellation_arrives, large_message, many_at_once, compressed,
    nobody_there,
]  # fmt: skip
BY_TLS = [unary_echo, bidirectional, large_message]


def run(case, channel, name):
    why = None
    try:
        case(Client(channel))
    except Exception as error:
        why = " ".join(str(error).split())[:300] or type(error).__name__
    print(json.dumps({"name": name.replace("_", " "), "why": why}), flush=True)


def check(plain, tls, ca_file):
    with grpc.insecure_channel(plain, ROOM) as channel:
        for case in CASES:
            run(case, channel, case.__name__)
    with open(ca_file, "rb") as file:
        trusted = grpc.ssl_channel_credentials(file.read())
    with grpc.secure_channel(tls, trusted, ROOM) as channel:
        for case in BY_TLS:
            run(case, channel, case.__name__ + "_by_TLS")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", port]:
            serve(int(port))
        case ["check", plain, tls, ca_file]:
            check(plain, tls, ca_file)
        case _:
            sys.exit(__doc__)
