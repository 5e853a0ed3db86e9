"""Images that are sent: no more is decoded than may be, and not for nobody."""

import base64
import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("prometheus_client", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("uvicorn", reason="pip install 's2s-zoo[serve]'")

from s2s_zoo.apps.serving import served  # noqa: E402
from tests.apps.serving.test_app import error_of, eventually, texts_of  # noqa: E402


def png(width, height):
    from PIL import Image

    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def ask(client, *images):
    return client.post("/generate", json={"images": images})


def test_the_pixels_of_a_request_are_bounded_before_any_is_decoded(
    serve, tiny_captioner, monkeypatch
):
    monkeypatch.setattr(served, "MOST_PIXELS", 10_000)
    client = serve(tiny_captioner)
    message = "at most 10,000 pixels together.*Received: 20,000.*send several requests"
    answer = ask(client, png(100, 100), png(100, 100))
    assert re.search(message, error_of(answer, 422))
    predict = {"instances": [{"b64": png(200, 100)}]}
    error_of(client.post("/v1/models/tiny:predict", json=predict), 422)
    error_of(client.post("/stream", json={"image": png(200, 100)}), 422)
    assert texts_of(ask(client, png(100, 50), png(100, 50)))


def test_a_thread_that_decodes_has_its_place_until_it_ends(serve, tiny_captioner, monkeypatch):
    go, begun = threading.Event(), []
    processor = tiny_captioner.processor

    class Slow:
        def __getattr__(self, name):
            return getattr(processor, name)

        def encode_source(self, images):
            begun.append(1)
            assert go.wait(30)
            return processor.encode_source(images)

    client = serve(tiny_captioner, timeout=0.5)
    service = client.server.config.app.state.service
    monkeypatch.setattr(tiny_captioner, "processor", Slow())
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(ask, client, png(9, 9), png(9, 9)) for _ in range(5)]
        for future in asked:
            error_of(future.result(), 504)
    assert len(begun) == 2 and service.decoding.locked()  # as many as may be, and they go on
    go.set()
    eventually(lambda: not service.decoding.locked())
    assert len(begun) == 2  # the second image of each was read for nobody
    assert service.open == 0


def test_a_place_is_given_back_whatever_happens(serve, tiny_captioner):
    client = serve(tiny_captioner)
    for _ in range(5):
        error_of(ask(client, base64.b64encode(b"no image").decode()), 400)
    assert texts_of(ask(client, png(9, 9)))
    assert client.server.config.app.state.service.open == 0
