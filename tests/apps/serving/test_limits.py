"""Clients that send too much, too slowly or too often, and that the others do not notice."""

import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("prometheus_client", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("uvicorn", reason="pip install 's2s-zoo[serve]'")

from tests.apps.serving.test_app import (
    error_of,
    eventually,
    generate,
    texts_of,  # noqa: E402
)

JSON = {"content-type": "application/json"}


def connect(client):
    url = client.base_url
    return socket.create_connection((url.host, url.port), timeout=20)


def head(path="/generate", **headers):
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def received(connection):
    """All that comes until the other side closes."""
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        parts.append(b"RESET")
    return b"".join(parts)


def test_a_large_body_is_refused_and_its_sender_hears_why(serve, hooked):
    client = serve(hooked, max_body=1000)
    for content in (b"x" * 10_000_000, iter([b"x" * 1_000_000] * 10)):  # with a length, without
        answer = client.post("/generate", content=content, headers=JSON)
        assert "larger than 1,000 bytes" in error_of(answer, 413)
    body = json.dumps({"texts": ["ein hund"]})
    fits = body[:-1] + " " * (1000 - len(body)) + "}"
    assert client.post("/generate", content=fits, headers=JSON).status_code == 200
    answer = client.post("/generate", content=fits + " ", headers=JSON)
    assert answer.status_code == 413
    assert len(hooked.calls) == 1


def test_an_endless_body_ends(serve, loaded, monkeypatch):
    from s2s_zoo.apps.serving import body

    monkeypatch.setattr(body, "DRAINED", 1 << 20)
    client, sent = serve(loaded, max_body=1000), 0
    with connect(client) as connection:
        connection.sendall(head(Transfer_Encoding="chunked"))
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with pytest.raises(OSError):
            while sent < 1 << 28:
                connection.sendall(chunk)
                sent += len(chunk)
    assert sent < 1 << 26
    assert texts_of(generate(client, ["ein hund"]))


def test_a_body_that_does_not_come_is_given_up(serve, loaded):
    client = serve(loaded, timeout=0.5)
    start = time.monotonic()
    with connect(client) as connection:
        connection.sendall(head(Content_Length=100) + b'{"texts"')
        answer = received(connection)
    assert b" 408 " in answer.splitlines()[0] and b"not complete after 0.5 seconds" in answer
    assert time.monotonic() - start < 10
    assert client.server.config.app.state.service.open == 0


@pytest.mark.parametrize("sent", [b"", b"POST /generate HT"])
def test_a_head_that_does_not_come_is_given_up(serve, loaded, sent):
    client = serve(loaded, timeout=0.5)
    start = time.monotonic()
    with connect(client) as connection:
        connection.sendall(sent)
        assert received(connection) in (b"", b"RESET")
    assert 0.4 < time.monotonic() - start < 10


def test_a_second_head_that_does_not_come_is_given_up(serve, loaded):
    client = serve(loaded, timeout=0.5)
    client.server.config.timeout_keep_alive = 1  # of 5
    start = time.monotonic()
    with connect(client) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /hea")
        assert received(connection).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - start < 10


def test_a_kept_connection_is_used_again(serve, loaded):
    client = serve(loaded, timeout=0.5)
    with connect(client) as connection:
        for _ in range(3):
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(0.3)


def test_a_body_does_not_wait_for_the_head_to_be_acknowledged(serve, loaded, monkeypatch):
    from uvicorn.protocols.http.h11_impl import H11Protocol

    sockets, made = [], H11Protocol.connection_made

    def record(self, transport):
        sockets.append(transport.get_extra_info("socket"))
        made(self, transport)

    monkeypatch.setattr(H11Protocol, "connection_made", record)
    with connect(serve(loaded)) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
        for used in sockets:
            assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sockets


def test_who_does_not_read_is_given_up(serve, hooked):
    result = next(hooked.pipeline.stream("das kind"))

    def much(source, **options):
        for _ in range(200):
            yield result._replace(text="x" * 100_000)

    hooked.stream = much
    client = serve(hooked, timeout=4)
    service = client.server.config.app.state.service
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((client.base_url.host, client.base_url.port))
        body = b'{"text": "das kind"}'
        connection.sendall(head("/stream", Content_Length=len(body)) + body)
        eventually(lambda: service.open == 1)
        eventually(lambda: texts_of(generate(client, ["ein hund"])))  # the model does not wait
        eventually(lambda: service.open == 0)
        assert client.get("/health").status_code == 200


def test_overload_is_told_and_passes(serve, hooked):
    client = serve(hooked, max_queue=3, max_batch=2, max_wait=0)
    service = client.server.config.app.state.service
    hooked.hold()
    with ThreadPoolExecutor(8) as pool:
        held = pool.submit(generate, client, ["ein hund"])
        assert hooked.begun.wait(10)
        waiting = [pool.submit(generate, client, ["der ball"]) for _ in range(2)]
        eventually(lambda: service.batcher.length == 2)
        for _ in range(3):
            answer = generate(client, ["die frau"])  # four requests are open
            assert "busy" in error_of(answer, 503) and answer.headers["retry-after"] == "1"
        assert client.get("/health").status_code == 200
        hooked.go.set()
        for future in (held, *waiting):
            texts_of(future.result())
    texts_of(generate(client, ["die frau"]))
    assert 'endpoint="/generate",status="503"} 3.0' in client.get("/metrics").text


def test_who_sends_slowly_gives_way_where_all_places_are_taken(serve, loaded, monkeypatch):
    from s2s_zoo.apps.serving import arriving

    client = serve(loaded, max_queue=3, max_batch=2)
    service = client.server.config.app.state.service
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(client)) for _ in range(9)]
        for connection in slow:
            connection.sendall(head(Content_Length=100) + b'{"texts"')
        eventually(lambda: service.open == 3)  # the other six have no place
        assert "busy" in error_of(generate(client, ["ein hund"]), 503)  # nobody is slow so far
        monkeypatch.setattr(arriving, "PATIENCE", 0)
        texts_of(generate(client, ["ein hund"]))
        eventually(lambda: service.open == 2)
    eventually(lambda: service.open == 0)


def test_texts_that_do_not_fit_the_queue_are_refused(serve, hooked):
    client = serve(hooked, max_queue=3, max_batch=2, max_wait=0)
    service = client.server.config.app.state.service
    hooked.hold()
    with ThreadPoolExecutor(8) as pool:
        held = pool.submit(generate, client, ["ein hund"])
        assert hooked.begun.wait(10)
        waiting = pool.submit(generate, client, ["der ball", "das kind"])
        eventually(lambda: service.batcher.length == 2)
        assert "busy" in error_of(generate(client, ["die frau", "der mann"]), 503)
        hooked.go.set()
        texts_of(held.result()), texts_of(waiting.result())


def test_an_answer_that_takes_too_long_is_given_up(serve, hooked):
    client = serve(hooked, timeout=0.5, max_wait=0)
    service = client.server.config.app.state.service
    hooked.hold()
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(generate, client, ["ein hund"])
        assert hooked.begun.wait(10)
        waiting = pool.submit(client.post, "/stream", json={"text": "der ball"})
        for future in (running, waiting):
            assert "No answer after 0.5 seconds" in error_of(future.result(), 504)
    assert service.open == 0 and service.batcher.length == 0
    hooked.go.set()
    assert texts_of(generate(client, ["die frau"]))
    assert hooked.calls == [["ein hund"], ["die frau"]]  # who gave up was not run


def test_who_leaves_is_not_worked_for(serve, hooked):
    client = serve(hooked, max_wait=0)
    service = client.server.config.app.state.service
    hooked.hold()
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(generate, client, ["ein hund"])
        assert hooked.begun.wait(10)
        with connect(client) as connection:
            body = b'{"texts": ["der ball"]}'
            connection.sendall(head(Content_Length=len(body)) + body)
            eventually(lambda: service.batcher.length == 1)
        eventually(lambda: service.batcher.length == 0)
        hooked.go.set()
        texts_of(held.result())
    assert hooked.calls == [["ein hund"]]
    eventually(lambda: 'status="499"} 1.0' in client.get("/metrics").text)


def test_stopping_finishes_what_is_in_flight(serve, hooked):
    client = serve(hooked, max_wait=0)
    hooked.hold()
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(generate, client, ["ein hund"])
        assert hooked.begun.wait(10)
        waiting = pool.submit(generate, client, ["der ball"])
        eventually(lambda: client.server.config.app.state.service.batcher.length == 1)
        client.server.should_exit = True
        time.sleep(0.3)
        hooked.go.set()
        assert texts_of(held.result()) and texts_of(waiting.result())
