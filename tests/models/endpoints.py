"""HTTP servers on loopback: one that fails as endpoints do, one that serves a real small model."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


def send(handler: BaseHTTPRequestHandler, status: int, body: Any, **headers: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def completion(text: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "model": "stub-1",
        "system_fingerprint": "fp_1",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}},
    }


def hang(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    time.sleep(1.5)


def cut(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"message": {"content": "wro')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


FAULTS: dict[str, Answer] = {
    "429": lambda handler, _: send(handler, 429, {"error": {"message": "slow down"}}, Retry_After="0"),
    "500": lambda handler, _: send(handler, 500, b"<html>oops</html>"),
    "hang": hang,
    "cut connection": cut,
    "malformed JSON": lambda handler, _: send(handler, 200, b'{"choices": [{"message"'),
    "empty choice": lambda handler, _: send(handler, 200, {"choices": []}),
    "null text": lambda handler, _: send(handler, 200, completion(None)),
}


@contextmanager
def served(answer: Answer, models: tuple[str, ...] = ("stub",)) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server that answers chat completions so, and the requests that it got."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            send(self, 200, {"data": [{"id": model} for model in models]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append({"body": body, "key": self.headers.get("Authorization", "")})
            answer(self, body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", got
    finally:
        server.shutdown()
        server.server_close()
