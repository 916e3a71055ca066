"""A gRPC server that is called through Floodway: grpcio's own service for health checks, and one of bytes."""

import os
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2_grpc


def greet(request, context):
    caller = dict(context.invocation_metadata()).get("dapr-caller-app-id", "nobody")
    context.set_trailing_metadata([("greeted", caller)])
    return b"hello " + request


def refuse(_request, context):
    context.set_trailing_metadata([("why", "taken")])
    context.abort(grpc.StatusCode.ALREADY_EXISTS, "there is one")


def echo(requests, _context):
    yield from requests


methods = {
    "Greet": grpc.unary_unary_rpc_method_handler(greet),
    "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
    "Echo": grpc.stream_stream_rpc_method_handler(echo),
}
server = grpc.server(ThreadPoolExecutor(max_workers=8))
health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("sdks.Greeter", methods)])
server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
server.start()
server.wait_for_termination()
