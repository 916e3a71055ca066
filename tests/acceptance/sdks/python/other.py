"""An app that is called."""

import web


def answer(method, path, headers, body):
    if path.startswith("/echo"):
        return 200, {
            "method": method,
            "path": path,
            "body": body.decode(),
            "caller": headers.get("dapr-caller-app-id"),
        }
    if path.startswith("/taken"):
        return 409, {"why": "taken"}
    return (200, None) if path == "/healthz" else (404, None)


web.serve(answer)
