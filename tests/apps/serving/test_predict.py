"""The REST interface of TensorFlow Serving: what the exported model gives, in the same JSON."""

import base64
import json
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("prometheus_client", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("uvicorn", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("tensorflow_text")

import s2s_zoo  # noqa: E402
from s2s_zoo.apps.serving.predict import model_name, tensors  # noqa: E402
from s2s_zoo.apps.serving.served import Generation, Served  # noqa: E402

TEXTS = ["ein hund rennt", "", "das kind spielt im garten", "Ω?"]
PREDICT = "/v1/models/tiny:predict"


@pytest.fixture(scope="module")
def exported(loaded, tmp_path_factory):
    directory = tmp_path_factory.mktemp("exported") / "1"
    s2s_zoo.export(loaded, directory)
    return directory


def serving(directory):
    """A function from a request to the response that TensorFlow Serving makes of a SavedModel.

    After `json_tensor.cc` of TensorFlow Serving, for a signature with one input of strings.
    """
    import tensorflow as tf

    serve = tf.saved_model.load(str(directory)).signatures["serving_default"]
    [name] = serve.structured_input_signature[1]

    def string(value):
        return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()

    def plain(value):
        if isinstance(value, list):
            return [plain(item) for item in value]
        return value.decode() if isinstance(value, bytes) else value

    def answer(request):
        rows = "instances" in request
        values = request["instances" if rows else "inputs"]
        if isinstance(values, dict):
            values = values[name]
        values = [
            value[name] if isinstance(value, dict) and name in value else value for value in values
        ]
        found = serve(**{name: tf.constant([string(value) for value in values])})
        columns = {key: plain(value.numpy().tolist()) for key, value in found.items()}
        assert {len(column) for column in columns.values()} == {len(values)}
        if not rows:
            return {"outputs": columns}
        return {"predictions": [{k: v[i] for k, v in columns.items()} for i in range(len(values))]}

    return answer


def same(found, wanted):
    """Compares JSON, numbers to four places: alignments are rounded."""
    assert type(found) is type(wanted)
    if isinstance(found, dict):
        assert found.keys() == wanted.keys()
        for key in found:
            same(found[key], wanted[key])
    elif isinstance(found, list) and found and isinstance(found[0], dict):
        for one, other in zip(found, wanted, strict=True):
            same(one, other)
    elif np.array(found).dtype.kind == "f":
        np.testing.assert_allclose(found, wanted, atol=1e-4)
    else:
        assert found == wanted


def test_the_answers_of_the_exported_model(serve, loaded, exported):
    client, theirs = serve(loaded), serving(exported)
    b64 = [{"b64": base64.b64encode(text.encode()).decode()} for text in TEXTS]
    for request in (
        {"instances": TEXTS},
        {"instances": [{"texts": text} for text in TEXTS], "signature_name": "serving_default"},
        {"instances": b64},
        {"inputs": TEXTS},
        {"inputs": {"texts": b64}},
        {"instances": [""]},
    ):
        answer = client.post(PREDICT, content=json.dumps(request))
        assert answer.status_code == 200, answer.text
        same(answer.json(), theirs(request))
    [found, *_] = client.post(
        "/v1/models/tiny/versions/1:predict", json={"instances": TEXTS}
    ).json()["predictions"]
    assert found["texts"] == [loaded(TEXTS[0])] and found["texts"] != [""]


def test_photos(serve, sighted_captioner, photos, tmp_path):
    s2s_zoo.export(sighted_captioner, tmp_path / "1")
    files = [base64.b64encode(Path(path).read_bytes()).decode() for path, _ in photos[1][:3]]
    client, theirs = serve(sighted_captioner, max_body=1 << 24), serving(tmp_path / "1")
    for request in (
        {"instances": [{"b64": file} for file in files]},
        {"instances": [{"images": {"b64": file}} for file in files]},
        {"inputs": {"images": [{"b64": file} for file in files]}},
    ):
        same(client.post(PREDICT, json=request).json(), theirs(request))
    rows = theirs({"instances": [{"b64": file} for file in files]})["predictions"]
    assert len({row["scores"][0] for row in rows}) == len(files)
    answer = client.post(PREDICT, json={"instances": ["a dog"]})
    assert answer.status_code == 400 and "not an image" in answer.json()["error"]


def test_requests_go_together_with_others(serve, hooked):
    client = serve(hooked, max_wait=0.3)
    threads = [
        threading.Thread(
            target=client.post, args=(PREDICT,), kwargs={"json": {"instances": [text]}}
        )
        for text in TEXTS[2:]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(sorted, hooked.calls)) == [sorted(TEXTS[2:])]


def test_state_and_signature(serve, loaded, exported):
    from google.protobuf.json_format import MessageToDict
    from tensorflow.core.protobuf import saved_model_pb2

    go = threading.Event()

    def warm(self, _):
        assert go.wait(20)
        return [None]

    client = serve(loaded, warm)
    state = {
        "version": "1",
        "state": "LOADING",
        "status": {"error_code": "OK", "error_message": ""},
    }
    assert client.get("/v1/models/tiny").json() == {"model_version_status": [state]}
    go.set()
    while (found := client.get("/v1/models/tiny/versions/1").json()) == {
        "model_version_status": [state]
    }:
        pass
    assert found == {"model_version_status": [{**state, "state": "AVAILABLE"}]}

    said = client.get("/v1/models/tiny/metadata").json()
    assert said["model_spec"] == {"name": "tiny", "signature_name": "", "version": "1"}
    [signature] = said["metadata"]["signature_def"]["signature_def"].values()
    saved = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    wanted = MessageToDict(
        saved.meta_graphs[0].signature_def["serving_default"],
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    assert signature["method_name"] == wanted["method_name"]
    for part in ("inputs", "outputs"):
        for tensor in [*signature[part].values(), *wanted[part].values()]:
            del tensor["name"]  # of an operation of the graph
        assert signature[part] == wanted[part]


def test_a_model_that_could_not_be_warmed(serve, loaded):
    def warm(self, _):
        raise RuntimeError("out of luck")

    client = serve(loaded, warm)
    [found] = client.get("/v1/models/tiny").json()["model_version_status"]
    assert found["state"] == "END" and "out of luck" in found["status"]["error_message"]


@pytest.mark.parametrize(
    "body, message",
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "'instances' and 'inputs'"),
        (b"{}", "'instances' and 'inputs'"),
        (b'{"instances": ["a"], "inputs": ["a"]}', "'instances' and 'inputs'"),
        (b'{"instances": []}', "empty"),
        (b'{"instances": "a"}', "no list"),
        (b'{"instances": [1]}', "as number 0: 1"),
        (b'{"instances": ["a", {"texts": "b"}]}', "as number 1"),
        (b'{"instances": [{"images": "b"}]}', "called 'texts'"),
        (b'{"inputs": {"text": ["b"]}}', "called 'texts'"),
        (b'{"instances": [{"b64": "?"}]}', "not base64"),
        (b'{"instances": [{"b64": "/9j/"}]}', "expected UTF-8"),
        (b'{"instances": ["\\ud800"]}', "no Unicode"),
        (b'{"instances": ["a"], "signature_name": "other"}', "'serving_default'"),
    ],
)
def test_what_is_refused(loaded, body, message):
    from s2s_zoo.apps.serving.predict import parse_predict
    from s2s_zoo.apps.serving.refused import Refused
    from s2s_zoo.apps.serving.served import Served

    with pytest.raises(Refused, match=message) as refused:
        parse_predict(Served(loaded, "tiny"), body)
    assert refused.value.status == 400


def test_other_models_and_failures(serve, hooked):
    hooked.bad = ["ball"]
    client = serve(hooked)
    for path in ("half:predict", "tiny/versions/2:predict"):
        answer = client.post(f"/v1/models/{path}", json={"instances": ["a"]})
        assert answer.status_code == 404 and "Expected the model 'tiny'" in answer.json()["error"]
    assert client.get("/v1/models/half").status_code == 404
    answer = client.post(PREDICT, json={"instances": ["ein hund", "ball"]})
    assert answer.status_code == 500 and "RuntimeError" in answer.json()["error"]
    assert 'endpoint="/v1/models/tiny:predict"' in client.get("/metrics").text


def test_names():
    names = {"run/best": "best", "hf://me/my-model@main": "my-model", "translation-de-en": ""}
    for name, wanted in names.items():
        assert model_name(name) == (wanted or name)


def test_answers_that_cannot_be_are_empty_in_the_tensors(tiny_pipeline):
    generation = {"num_beams": 4, "num_return": 4, "max_length": 2, "forced_prefix": "a dog"}
    pipeline = s2s_zoo.Pipeline(
        "translation", tiny_pipeline.model, tiny_pipeline.processor, generation
    )
    served = Served(pipeline, "tiny")
    answers = Generation(served, (), True)(["ein hund"])
    assert len(answers[0]) == 1
    shapes = {name: np.shape(column) for name, column in tensors(answers, served).items()}
    assert shapes["texts"] == shapes["scores"] == shapes["target_tokens"][:2] == (1, 4)
    assert shapes["alignments"][:2] == (1, 4)
