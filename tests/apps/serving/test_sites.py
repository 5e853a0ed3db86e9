"""A server for this machine alone answers under its own names, and to its own pages."""

import json

import pytest

pytest.importorskip("fastapi", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("prometheus_client", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("uvicorn", reason="pip install 's2s-zoo[serve]'")

from s2s_zoo.apps.serving.sites import names_of  # noqa: E402
from tests.apps.serving.test_app import error_of  # noqa: E402

PREDICT = "/v1/models/tiny:predict"
BODY = json.dumps({"instances": ["ein hund"]})


@pytest.fixture
def client(serve, loaded):
    return serve(loaded, names=names_of("127.0.0.1", "127.0.0.1", ["zoo.example"]))


@pytest.mark.parametrize(
    "address, allowed, any_name",
    [
        ("127.0.0.1", [], False),
        ("127.8.0.1", [], False),
        ("::1", [], False),
        ("::ffff:127.0.0.1", [], False),
        ("0.0.0.0", [], True),
        ("::", [], True),
        ("192.168.0.7", [], True),
        ("0.0.0.0", ["zoo.example"], False),
    ],
)
def test_names_are_checked_on_this_machine_and_where_some_are_given(address, allowed, any_name):
    assert (names_of(address, "box", allowed) is None) == any_name


def test_names_that_are_answered_to(client):
    for host in (
        *("localhost", "localhost:80", "LOCALHOST:1", "localhost.:1", "me.localhost"),
        *("127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "[::ffff:127.0.0.1]"),
        *("zoo.example", "zoo.example:443"),
    ):
        for path in ("/health", "/", "/metrics", "/openapi.json"):
            assert client.get(path, headers={"host": host}).status_code == 200, host


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "localhost.evil.example", "notlocalhost"),
        *("127.0.0.1.evil.example", "10.0.0.1", "[", "[::2]", "a b", "@localhost", "localhost@x"),
        *("localhost:80:80", "localhost/", "ünï", "a" * 5000, "%", "[localhost]", "0.0.0.0"),
    ],
)
def test_other_names_are_refused_with_a_remedy(client, host):
    for method, path in (("GET", "/"), ("GET", "/metrics"), ("POST", PREDICT), ("GET", "/x")):
        answer = client.request(method, path, headers={"host": host.encode()}, content=BODY)
        message = error_of(answer, 403)
        assert "for this machine alone" in message and "--allow-host" in message
        assert len(message) < 500 and answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://["},
        {"origin": "http://localhost:3000"},  # another server here
        {"origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1.evil.example"},
    ],
)
def test_pages_of_other_sites_are_refused(client, headers):
    for path in (PREDICT, "/generate", "/stream"):
        for kind in ("text/plain", "application/json"):
            answer = client.post(path, content=BODY, headers={**headers, "content-type": kind})
            assert "page of another site" in error_of(answer, 403)


def test_its_own_pages_programs_and_allowed_sites_are_answered(client):
    own = str(client.base_url).rstrip("/")
    named = own.replace("127.0.0.1", "localhost")
    for headers in (
        {},
        {"origin": own, "sec-fetch-site": "same-origin"},
        {"origin": own},
        {"origin": named, "host": named[7:]},
        {"sec-fetch-site": "none"},
        {"origin": "https://zoo.example"},
        {"origin": "https://zoo.example", "sec-fetch-site": "same-origin"},
    ):
        answer = client.post(PREDICT, content=BODY, headers=headers)
        assert answer.status_code == 200, (headers, answer.text)


def test_a_server_for_others_is_called_as_they_like(serve, loaded):
    client = serve(loaded)
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        assert client.post(PREDICT, content=BODY, headers=headers).status_code == 200


def test_a_refused_body_is_heard_of_and_the_connection_goes_on(client):
    for size in (100, 3_000_000):
        headers = {"origin": "http://evil.example"}
        assert client.post(PREDICT, content=b"x" * size, headers=headers).status_code == 403
    assert client.get("/health").status_code == 200
    assert 'status="403"} 2.0' in client.get("/metrics").text
