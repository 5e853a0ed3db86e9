"""The work of a request and of a batch is bounded, and what was cut is told."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("prometheus_client", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("uvicorn", reason="pip install 's2s-zoo[serve]'")

from s2s_zoo.apps.serving.batcher import Batcher  # noqa: E402
from tests.apps.serving.test_app import (  # noqa: E402
    error_of,
    events_of,
    eventually,
    generate,
    texts_of,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.* source texts are longer than", "ignore:A sentence is longer", "ignore:The model lost"
)
LONG = "der mann liest ein buch " * 3  # the model reads 24 tokens, and writes 20
WHOLE = {"split": False}  # as one sentence, which is cut at the 24 tokens
WIDE = {**WHOLE, "num_beams": 16, "num_return": 16}


def test_texts_times_returns_times_length_are_bounded(serve, hooked):
    client = serve(hooked, max_batch=8)
    message = "at most 2 such sources.*Received: 8, 16 for each. Send several requests"
    for options in (
        WIDE,
        {**WHOLE, "num_beams": 16},
        {**WHOLE, "strategy": "sample", "num_return": 16},
    ):
        assert re.search(message, error_of(generate(client, [LONG] * 8, **options), 422))
    assert hooked.calls == []
    for texts, options in (
        ([LONG] * 8, {**WHOLE, "num_beams": 4}),  # each number alone is no reason
        ([LONG] * 2, WIDE),
        ([LONG] * 8, {**WIDE, "max_length": 5}),
    ):
        assert generate(client, texts, **options).status_code == 200


def test_one_text_is_never_too_much(serve, loaded):
    client = serve(loaded, max_batch=1)
    assert generate(client, [LONG], **WIDE).status_code == 200


def test_requests_that_run_together_are_bounded_too(serve, hooked):
    client = serve(hooked, max_batch=8, max_wait=0)
    hooked.hold()
    with ThreadPoolExecutor(9) as pool:
        held = pool.submit(generate, client, ["ein hund"])
        assert hooked.begun.wait(10)
        asked = [pool.submit(generate, client, [LONG], **WIDE) for _ in range(5)]
        eventually(lambda: client.server.config.app.state.service.batcher.length == 5)
        hooked.go.set()
        assert all(future.result().status_code == 200 for future in (held, *asked))
    assert sorted(map(len, hooked.calls)) == [1, 1, 2, 2]


def test_a_batch_is_full_when_its_work_is():
    sizes = []
    batcher = Batcher(max_batch=4, max_wait=0.2, on_batch=sizes.append)
    futures = batcher.submit(lambda sources: sources, range(5), [0.5, 0.5, 2.0, 0.5, 0.6])
    assert [future.result(10) for future in futures] == list(range(5))
    batcher.close(10)
    assert sizes == [2, 1, 1, 1]


def test_a_text_that_was_cut_is_told(serve, loaded):
    client = serve(loaded)
    exact = next(
        text
        for text in (LONG[:n] for n in range(len(LONG)))
        if len(loaded.processor.encode_source([text], truncate=False)[0]) == 24
    )
    texts = ["ein hund", LONG, "", exact]
    results = generate(client, texts, **WHOLE).json()["results"]
    assert [result.get("truncated") for result in results] == [None, True, None, None]
    [both] = generate(client, [LONG], **WHOLE, num_beams=2, num_return=2).json()["results"]
    assert [result["truncated"] for result in both] == [True, True]
    *_, last = events_of(client.post("/stream", json={"text": LONG, **WHOLE}))
    assert last["truncated"] is True
    *_, last = events_of(client.post("/stream", json={"text": exact, **WHOLE}))
    assert "truncated" not in last
    answer = client.post("/v1/models/tiny:predict", json={"instances": texts})
    assert answer.headers["x-truncated"] == "1"
    answer = client.post("/v1/models/tiny:predict", json={"instances": ["a"]})
    assert "x-truncated" not in answer.headers
    assert texts_of(generate(client, [LONG], **WHOLE)) == [loaded(LONG, **WHOLE)]


def test_a_document_is_not_cut_and_its_work_is_all_of_it(serve, loaded):
    client = serve(loaded, max_batch=8)
    text = "ein hund rennt. eine katze läuft weg. " + LONG
    [found] = generate(client, [text]).json()["results"]
    expected = loaded(text, return_scores=True)
    assert found["text"] == expected.text and found["warning"] == expected.warning
    assert [one["text"] for one in found["segments"]] == [s.text for s in expected.segments]
    assert "truncated" not in found
    *_, last = events_of(client.post("/stream", json={"text": text}))
    assert last["text"] == loaded(text, num_beams=1)
    assert "at most 1 such sources" in error_of(generate(client, [LONG * 20] * 2), 422)
    assert generate(client, [LONG * 20]).status_code == 200


def test_words_of_the_client_reach_the_pipeline(serve, loaded):
    client = serve(loaded)
    asked = {"keep": ["hund"], "terms": {"rennt": "RUNS"}}
    [found] = generate(client, ["ein hund rennt"], **asked).json()["results"]
    assert "hund" in found["text"] and "RUNS" in found["text"]
    both = {"keep": ["hund"], "terms": {"hund": "dog"}}
    assert "stands in keep and in terms" in error_of(generate(client, ["x"], **both), 422)
    assert "keep" in error_of(generate(client, ["x"], keep="hund"), 422)


@pytest.fixture(scope="module")
def summarizer(loaded):
    from s2s_zoo import Pipeline

    return Pipeline("summarization", loaded.model, loaded.processor, languages=["de"])


@pytest.mark.filterwarnings("ignore::s2s_zoo.protocol.errors.TextWarning")
def test_a_page_is_summarized_whole_in_as_many_sentences_as_are_asked_for(serve, summarizer):
    client = serve(summarizer, max_batch=8)
    things = ("mann", "hund", "frau", "junge", "katze")
    page = "".join(f"<p>ein {a} sieht ein {b} im garten.</p>" for a in things for b in things)
    for options in ({}, {"length": "short", "bullets": True}, {"length": 2, "faithful": False}):
        asked = {"format": "html", **options}
        [found] = generate(client, [page], **asked).json()["results"]
        expected = summarizer(page, return_scores=True, **asked)
        assert found["text"] == expected.text and found.get("warning") == expected.warning
        assert "truncated" not in found and len(found["segments"]) > 1
    *_, last = events_of(client.post("/stream", json={"text": page, "format": "html"}))
    assert last["text"] == summarizer(page, num_beams=1, format="html")
    assert "length" in error_of(generate(client, ["x"], length="long"), 422)
    assert "for translation" in error_of(generate(client, ["x"], keep=["x"]), 422)
    answer = client.post("/v1/models/tiny:predict", json={"instances": [LONG]})
    assert answer.headers["x-truncated"] == "0", "the first; an export has the search alone"


def test_questions_over_a_text(serve, loaded):
    from s2s_zoo import Pipeline

    answer = Pipeline("question_answering", loaded.model, loaded.processor)
    client = serve(answer)
    [found] = generate(client, ["ein hund"], context="die frau rennt").json()["results"]
    assert found["text"] == answer("ein hund", context="die frau rennt") != answer("ein hund")
    assert not any("truncated" in found for found in generate(client, ["ein"]).json()["results"])
    [found] = generate(client, ["ein"], context="hund " * 200).json()["results"]
    assert found["truncated"]
    assert "is for questions" in error_of(generate(serve(loaded), ["x"], context="y"), 422)
