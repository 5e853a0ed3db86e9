"""The thread of the model over HTTP: nothing ends it, and health says how it is."""

import pytest

pytest.importorskip("fastapi", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("prometheus_client", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("uvicorn", reason="pip install 's2s-zoo[serve]'")

from concurrent.futures import ThreadPoolExecutor  # noqa: E402

from tests.apps.serving.test_app import error_of, eventually, generate, texts_of  # noqa: E402

PREDICT = "/v1/models/tiny:predict"


class Panic(BaseException):
    """What an extension written in Rust raises."""


@pytest.fixture
def panicking(hooked):
    """A pipeline that panics at a text, as a tokenizer may: in a search, a stream, a plan."""
    call = hooked.pipeline

    class Panicking(type(hooked)):
        def __call__(self, sources, **options):
            if "panic" in sources:
                raise Panic("out of luck")
            return super().__call__(sources, **options)

        def stream(self, source, **options):
            if source == "panic":
                raise Panic("out of luck")
            return call.stream(source, **options)

        def plan(self, options, *args, **others):
            if options.get("forced_prefix") == "panic":
                raise Panic("out of luck")
            return call.plan(options, *args, **others)

    return Panicking(call)


def test_a_panic_of_native_code_ends_a_request_and_nothing_else(serve, panicking):
    client = serve(panicking)
    thread = client.server.config.app.state.service.batcher._thread
    for path, body in (
        ("/generate", {"texts": ["panic"]}),
        ("/generate", {"texts": ["ein hund"], "forced_prefix": "panic"}),
        ("/stream", {"text": "panic"}),
        (PREDICT, {"instances": ["panic"]}),
    ):
        answer = client.post(path, json=body)
        assert "The model failed: " in error_of(answer, 500)
        assert client.get("/health").json() == {"status": "ready"}
    results = generate(client, ["ein hund", "panic", "der ball"]).json()["results"]
    assert ["error" in result for result in results] == [False, True, False]
    assert thread.is_alive() and "s2s_zoo_model_restarts_total 0.0" in client.get("/metrics").text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_told_and_starts_again(serve, loaded):
    client = serve(loaded)
    batcher = client.server.config.app.state.service.batcher
    counted = batcher.on_restart

    def panics(size):
        batcher.on_batch = None
        raise Panic

    def ends():
        batcher.on_restart = counted
        raise SystemExit

    batcher.on_batch, batcher.on_restart = panics, ends
    thread = batcher._thread
    assert "The model failed: " in error_of(generate(client, ["ein hund"]), 500)
    eventually(lambda: not thread.is_alive())
    answer = client.get("/health")
    assert answer.status_code == 503 and answer.json()["status"] == "restarted"
    assert client.get("/health").json() == {"status": "ready"}
    assert texts_of(generate(client, ["ein hund"])) == [loaded("ein hund")]
    assert "s2s_zoo_model_restarts_total 1.0" in client.get("/metrics").text


def test_health_tells_of_a_batch_that_does_not_end(serve, hooked):
    client = serve(hooked, timeout=0.3, max_wait=0)
    hooked.hold()
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(generate, client, ["ein hund"])
        assert hooked.begun.wait(10)
        assert client.get("/health").json() == {"status": "ready"}
        eventually(lambda: client.get("/health").status_code == 503)
        assert client.get("/health").json()["status"] == "stuck"
        error_of(stuck.result(), 504)
    hooked.go.set()
    eventually(lambda: client.get("/health").status_code == 200)


def test_numbers_that_json_does_not_have_are_null(serve, hooked, loaded):
    [found] = loaded(["ein hund"], return_scores=True, return_alignment=True)
    alignment = found.alignment * float("nan")

    class Infinite(type(hooked)):
        def __call__(self, sources, **options):
            return [found._replace(score=float("-inf"), alignment=alignment) for _ in sources]

    client = serve(Infinite(loaded))
    [result] = generate(client, ["ein hund"], return_alignment=True).json()["results"]
    assert result["score"] is None and result["alignment"][0][0] is None
    answer = client.post(PREDICT, json={"instances": ["ein hund"]})
    assert answer.json()["predictions"][0]["scores"] == [0.0]


def test_what_nobody_has_foreseen_is_told_as_json(serve, loaded, monkeypatch):
    from s2s_zoo.apps.serving.served import Served

    client = serve(loaded)
    monkeypatch.setattr(Served, "describe", lambda self: 1 / 0)
    answer = client.get("/model")
    assert error_of(answer, 500) == "The server failed: ZeroDivisionError."
    assert answer.headers["x-content-type-options"] == "nosniff"
