"""The endpoints over a real socket: answers, order, options, streams, and what is refused."""

import base64
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("prometheus_client", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("uvicorn", reason="pip install 's2s-zoo[serve]'")

from s2s_zoo.apps.serving import refused  # noqa: E402
from s2s_zoo.protocol.errors import DataError  # noqa: E402

SOURCES = ["ein hund rennt", "zwei hunde", "", "das kind spielt im garten", "der ball"]


def generate(client, texts, **options):
    return client.post("/generate", json={"texts": texts, **options})


def texts_of(answer):
    assert answer.status_code == 200, answer.text
    return [result["text"] for result in answer.json()["results"]]


def events_of(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def error_of(answer, status):
    assert answer.status_code == status, answer.text
    message = answer.json()["error"]
    assert "\n" not in message
    return message


def eventually(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_answers_are_those_of_the_pipeline(serve, loaded):
    expected = loaded(SOURCES, return_scores=True)
    answer = generate(serve(loaded), SOURCES)
    results = answer.json()["results"]
    assert [result["text"] for result in results] == [result.text for result in expected]
    for result, wanted in zip(results, expected, strict=True):
        assert result["score"] == pytest.approx(wanted.score, abs=1e-4)
        assert result["target_tokens"] == list(wanted.target_tokens)
        assert result["source_tokens"] == list(wanted.source_tokens)
        assert "alignment" not in result
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_no_texts(serve, hooked):
    assert generate(serve(hooked), []).json() == {"results": []}
    assert hooked.calls == []


def test_options_are_those_of_the_pipeline(serve, loaded):
    options = {"num_beams": 3, "num_return": 2, "length_penalty": 0.5}
    expected = loaded(SOURCES[:2], **options, return_alignment=True)
    answer = generate(serve(loaded), SOURCES[:2], **options, return_alignment=True)
    for found, wanted in zip(answer.json()["results"], expected, strict=True):
        assert [result["text"] for result in found] == [result.text for result in wanted]
        for result, one in zip(found, wanted, strict=True):
            np.testing.assert_allclose(result["alignment"], one.alignment, atol=1e-4)


def test_sampling_with_a_seed_is_repeatable_in_company(serve, loaded):
    options = {"strategy": "sample", "seed": 5}
    client = serve(loaded, max_wait=0.2)
    expected = loaded(SOURCES[:2], **options)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: generate(client, SOURCES[:2], **options), range(4)))
    assert [texts_of(answer) for answer in answers] == [expected] * 4


def test_everyone_gets_their_own_answers(serve, hooked, loaded):
    words = ["ein hund", "eine katze", "der mann", "die frau", "das kind", "zwei hunde"]
    many = [[a, f"{a} {b}"] for a in words for b in words]
    expected = dict(zip(sum(many, []), loaded(sum(many, [])), strict=True))
    client = serve(hooked, max_batch=16, max_wait=0.05)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda texts: texts_of(generate(client, texts)), many))
    assert answers == [[expected[text] for text in texts] for texts in many]
    sizes = [len(call) for call in hooked.calls]
    assert max(sizes) <= 16 and sum(sizes) == 2 * len(many)
    assert len(sizes) < len(many) / 2  # they were run together


def test_different_options_are_not_mixed(serve, hooked):
    client = serve(hooked, max_wait=0)
    hooked.hold()
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(generate, client, ["ein hund"])
        assert hooked.begun.wait(10)
        others = [
            pool.submit(generate, client, [text], num_beams=beams)
            for text, beams in (("eine katze", 2), ("der mann", 1), ("die frau", 2), ("ball", 1))
        ]
        eventually(lambda: "s2s_zoo_queue_length 4.0" in client.get("/metrics").text)
        hooked.go.set()
        assert all(future.result().status_code == 200 for future in (first, *others))
    batches = [sorted(call) for call in hooked.calls]
    assert sorted(batches[1:]) == [["ball", "der mann"], ["die frau", "eine katze"]]


def test_a_text_that_fails_does_not_fail_the_others(serve, hooked, monkeypatch):
    told = []
    monkeypatch.setattr(refused.log, "error", lambda message, exc_info: told.append(exc_info))
    hooked.bad = {"zwei hunde"}
    client = serve(hooked, max_wait=0.2)
    with ThreadPoolExecutor(2) as pool:
        good = pool.submit(generate, client, ["ein hund"])
        mixed = pool.submit(generate, client, ["der ball", "zwei hunde", "das kind"]).result()
    assert good.result().status_code == mixed.status_code == 200
    found = mixed.json()["results"]
    assert found[1] == {"error": "The model failed: RuntimeError."}
    assert "text" in found[0] and "text" in found[2]
    assert error_of(generate(client, ["zwei hunde"]), 500) == "The model failed: RuntimeError."
    assert [str(error) for error in told] == ["out of luck"] * 2


def test_what_the_pipeline_says_to_users_reaches_them(serve, hooked, monkeypatch):
    def refusing(*sources, **options):
        raise DataError("Unknown language code.")

    hooked.stream = refusing
    monkeypatch.setattr(type(hooked), "__call__", refusing)
    client = serve(hooked)
    assert error_of(generate(client, ["ein hund"]), 422) == "Unknown language code."
    assert error_of(client.post("/stream", json={"text": "ein hund"}), 422)


@pytest.mark.parametrize("text", ["das kind spielt", "", "ein 👩‍🚀 hund"])
def test_a_stream_ends_as_greedy_search(serve, loaded, text):
    client = serve(loaded)
    *tokens, last = events_of(client.post("/stream", json={"text": text, "return_alignment": True}))
    [expected] = generate(client, [text], num_beams=1, return_alignment=True).json()["results"]
    assert last.pop("done") is True
    assert last.pop("score") == pytest.approx(expected.pop("score"), abs=1e-4)
    alignments = last.pop("alignment", []), expected.pop("alignment", [])
    np.testing.assert_allclose(*alignments, atol=2e-4)
    assert last == expected
    if "warning" not in last:  # else it was made again after the last token
        assert [event["token"] for event in tokens] == last["target_tokens"]
        assert not tokens or tokens[-1]["text"] == last["text"]


def test_tokens_arrive_one_by_one(serve, hooked, loaded):
    real = loaded.stream

    def slow(source, **options):
        for number, result in enumerate(real(source, **options)):
            assert number == 0 or hooked.go.wait(30)
            yield result

    hooked.stream = slow
    client = serve(hooked)
    hooked.hold()
    with client.stream("POST", "/stream", json={"text": "das kind", "min": 1}) as answer:
        assert answer.status_code == 422
    with client.stream("POST", "/stream", json={"text": "das kind"}) as answer:
        lines = answer.iter_lines()
        first = json.loads(next(lines).removeprefix("data: "))
        assert "done" not in first and first["token"]
        hooked.go.set()
        assert '"done": true' in [line for line in lines if line][-1]


def test_a_stream_that_fails_says_so(serve, hooked):
    def failing(source, **options):
        yield from list(hooked.pipeline.stream(source))[:2]
        raise RuntimeError("out of luck")

    hooked.stream = failing
    *_, last = events_of(serve(hooked).post("/stream", json={"text": "das kind"}))
    assert last == {"error": "The model failed: RuntimeError.", "done": True}


def test_who_leaves_a_stream_stops_it(serve, hooked):
    taken = []

    def endless(source, **options):
        result = next(hooked.pipeline.stream(source))
        while True:
            taken.append(1)
            time.sleep(0.01)
            yield result

    hooked.stream = endless
    client = serve(hooked)
    with client.stream("POST", "/stream", json={"text": "das kind"}) as answer:
        next(answer.iter_lines())
    eventually(lambda: texts_of(generate(client, ["ein hund"])))  # the model is free again
    count = len(taken)
    time.sleep(0.1)
    assert len(taken) == count
    assert client.server.config.app.state.service.open == 0


def test_options_of_a_stream(serve, loaded):
    client = serve(loaded)
    say = {"text": "ein hund", "strategy": "beam"}
    assert "greedy search" in error_of(client.post("/stream", json=say), 422)
    say = {"text": "ein hund", "num_beams": 4}
    assert "strategy='greedy'" in error_of(client.post("/stream", json=say), 422)
    assert "'texts'" in error_of(client.post("/stream", json={"texts": ["ein hund"]}), 400)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b'{"texts": ["a"', 400, "no JSON: .*Expected application/json, such as"),
        (b"", 400, "no JSON"),
        (b"[1]", 400, "no JSON object"),
        (b'{"texts": ["\xff"]}', 400, "not valid UTF-8 at byte 13"),
        (b'{"texts": ["\\ud800"]}', 400, "JSON|surrogate"),
        (b"[" * 100_000, 400, "JSON"),
        (b"{}", 422, "no 'texts'"),
        (b'{"texts": "ein hund"}', 422, "texts: .*valid array.*'ein hund'"),
        (b'{"texts": ["a", 3]}', 422, r"texts\[1\]: .*valid string.*3"),
        (b'{"texts": [], "num_beam": 3}', 422, "Did you mean 'num_beams'.*Known: .*top_p"),
        (b'{"texts": [], "num_beams": 0}', 422, "num_beams: .*greater than or equal to 1"),
        (b'{"texts": [], "num_beams": 1000000}', 422, "num_beams: .*16.*1000000"),
        (b'{"texts": [], "num_beams": "3"}', 422, "num_beams: .*integer"),
        (b'{"texts": [], "num_beams": 2, "num_return": 3}', 422, "num_return=3.*num_beams=2"),
        (b'{"texts": [], "length_penalty": NaN}', 422, "length_penalty"),
        (b'{"texts": [], "max_length": 1000000}', 422, "at most the 20 tokens"),
        (b'{"texts": [], "top_k": 3}', 422, "'top_k' belongs to strategy='sample'"),
        (b'{"texts": [], "seed": 3}', 422, "'seed' belongs to strategy='sample'"),
        (b'{"texts": [], "strategy": "best"}', 422, "'greedy', 'beam' or 'sample'"),
        (b'{"texts": [], "target": "fr"}', 422, "reads de and writes en"),
        (b'{"images": ["AAAA"]}', 400, "such as {\"texts\".*Received: 'images'"),
        (b'{"texts": [%s"a"]}' % (b'"a", ' * 8), 422, "at most 8 sources.*Received: 9"),
    ],
)
def test_bad_requests_are_told_what_is_expected(serve, hooked, body, status, message):
    client = serve(hooked, max_batch=8)
    answer = client.post("/generate", content=body, headers={"content-type": "application/json"})
    assert re.search(message, error_of(answer, status)), answer.text
    assert hooked.calls == []


@pytest.mark.parametrize("kind", ["image/png", "text/plain", "multipart/form-data", ""])
def test_other_types_are_refused(serve, loaded, kind):
    client = serve(loaded)
    headers = {"content-type": kind} if kind else {}
    answer = client.post("/generate", content=b"\x89PNG\r\n", headers=headers)
    assert 'Expected application/json, such as {"texts"' in error_of(answer, 415)


def test_other_addresses(serve, loaded):
    client = serve(loaded)
    assert "/generate: POST" in error_of(client.get("/generat"), 404)
    assert "/health" in error_of(client.get("/generate"), 405)


def test_a_model_without_attention_has_no_alignment(serve, hooked):
    class Bare:
        attention = None

    class Model:
        decoder = Bare()

    hooked.model = Model()
    client = serve(hooked)
    assert client.get("/model").json()["has_alignment"] is False
    assert "no attention" in error_of(generate(client, ["a"], return_alignment=True), 422)


def test_what_the_server_says_of_itself(serve, loaded):
    client = serve(loaded, max_batch=7)
    said = client.get("/model").json()
    assert (said["name"], said["task"], said["reads"]) == ("tiny", "translation", "text")
    assert said["languages"] == ["de", "en"] and said["num_beams"] == 2 and said["has_alignment"]
    assert said["limits"]["sources"] == 7 and "num_beams" in said["options"]
    api = client.get("/openapi.json").json()
    schema = api["paths"]["/generate"]["post"]["requestBody"]["content"]["application/json"]
    assert schema["schema"]["properties"]["texts"]["type"] == "array"
    page = client.get("/")
    assert "<!doctype html>" in page.text
    assert "script-src 'sha256-" in page.headers["content-security-policy"]


def test_healthy_only_when_warm(serve, loaded):
    go = threading.Event()

    def warm(self, _):
        assert go.wait(20)
        return [None]

    client = serve(loaded, warm)
    assert client.get("/health").status_code == 503
    refused = generate(client, ["ein hund"])
    assert "warmed" in error_of(refused, 503) and refused.headers["retry-after"] == "1"
    go.set()
    eventually(lambda: client.get("/health").status_code == 200)
    assert texts_of(generate(client, ["ein hund"]))


def test_a_model_that_cannot_be_warmed_is_not_healthy(serve, loaded):
    def warm(self, _):
        raise RuntimeError("no memory")

    client = serve(loaded, warm)
    eventually(lambda: client.get("/health").status_code == 500)
    assert client.get("/health").json()["error"] == "RuntimeError: no memory"


def test_metrics(serve, hooked):
    client = serve(hooked)
    texts_of(generate(client, ["ein hund", "eine katze"]))
    generate(client, ["a"], num_beam=3)
    client.get("/nowhere")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    for line in (
        's2s_zoo_requests_total{endpoint="/generate",status="200"} 1.0',
        's2s_zoo_requests_total{endpoint="/generate",status="422"} 1.0',
        's2s_zoo_requests_total{endpoint="other",status="404"} 1.0',
        's2s_zoo_request_seconds_count{endpoint="/generate"} 2.0',
        "s2s_zoo_batch_size_sum 3.0",  # two, and one to warm
        "s2s_zoo_queue_length 0.0",
        "s2s_zoo_requests_in_flight 1.0",
    ):
        assert f"\n{line}\n" in answer.text


@pytest.fixture(scope="module")
def captioner(tiny_captioner, tmp_path_factory):
    from s2s_zoo import from_pretrained

    directory = tmp_path_factory.mktemp("captioner") / "tiny"
    tiny_captioner.save(directory)
    return from_pretrained(directory)


def test_captions(serve, captioner, photos):
    names = [name for name, _ in photos[1][:3]]
    expected = captioner(names, return_scores=True, return_alignment=True)
    client = serve(captioner)
    images = [base64.b64encode(Path(name).read_bytes()).decode() for name in names]
    answer = client.post("/generate", json={"images": images, "return_alignment": True})
    for found, wanted in zip(answer.json()["results"], expected, strict=True):
        assert found["text"] == wanted.text and "source_tokens" not in found
        np.testing.assert_allclose(found["alignment"], wanted.alignment, atol=1e-4)
    *_, last = events_of(client.post("/stream", json={"image": images[0]}))
    assert last["text"] == captioner(names[0], num_beams=1)
    assert client.get("/model").json()["image"]["size"] == [64, 96]

    headers = {"content-type": "application/json"}
    for body, status, message in (
        ({"texts": ["a dog"]}, 400, "base64.*Received: 'texts'"),
        ({"images": ["no base64!"]}, 400, r"images\[0\] is not base64"),
        ({"images": [images[0], "AAAA"]}, 400, "Image 2 of 2: .*not an image of a known format"),
        ({"images": ["/etc/passwd"]}, 400, "base64|not an image"),
    ):
        answer = client.post("/generate", content=json.dumps(body), headers=headers)
        assert re.search(message, error_of(answer, status)), answer.text


def test_a_checkpoint_of_the_hub_is_served(serve, hub_marian):
    from s2s_zoo import from_pretrained

    pipeline = from_pretrained(hub_marian)
    expected = pipeline("a b c", return_alignment=True, num_beams=1)
    client = serve(pipeline)
    *_, last = events_of(client.post("/stream", json={"text": "a b c", "return_alignment": True}))
    assert last["text"] == expected.text
    np.testing.assert_allclose(last["alignment"], expected.alignment, atol=2e-4)
    assert texts_of(generate(client, ["a b c"], num_beams=1)) == [expected.text]
    assert client.get("/model").json()["known_languages"] == []


def test_warming_runs_what_requests_ask_for(serve, hooked):
    from s2s_zoo.apps.serving.served import Served

    client = serve(hooked, Served.warm)
    eventually(lambda: client.get("/health").status_code == 200, seconds=60)
    assert hooked.calls and texts_of(generate(client, ["ein hund"]))
