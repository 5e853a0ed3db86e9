"""The REST interface of TensorFlow Serving: the answers that an exported SavedModel would give.

https://github.com/tensorflow/serving/blob/master/tensorflow_serving/g3doc/api_rest.md
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from s2s_zoo.apps.serving.refused import Refused
from s2s_zoo.protocol.tasks import SUMMARIZATION, TRANSLATION

if TYPE_CHECKING:
    from s2s_zoo.apps.serving.served import Served

VERSION = 1
# The options of a call that an export has: the search alone.
AS_IT_IS = {
    TRANSLATION.name: {"split": False, "protect": False, "detect": False, "doubt": False},
    SUMMARIZATION.name: {
        "split": False,
        "faithful": False,
        "extract": False,
        "detect": False,
        "doubt": False,
    },
}
SIGNATURE = "serving_default"
FORMATS = {"instances": "predictions", "inputs": "outputs"}  # of rows and of columns
INPUTS = {"text": "texts", "image": "images"}


class Predict(NamedTuple):
    """A request.

    Attributes:
        values: list, what the input holds: str, or bytes where {"b64": …} was given.
        key: str, "instances" or "inputs".
        return_alignment: bool.
        options: dict, of the call.
    """

    values: list
    key: str
    return_alignment: bool
    options: dict[str, Any]

    def sources(self) -> list[Any]:
        return self.values

    def chosen(self) -> dict[str, Any]:
        """The options of the call: those of the model hold, and texts are read as they are."""
        return self.options


def model_name(name: str) -> str:
    """What a model is called in an address: the last part of its name, without a revision."""
    return name.rstrip("/").rpartition("/")[2].partition("@")[0]


def parse_predict(served: Served, body: bytes) -> Predict:
    """Returns the Predict in a body, whatever its content type: clients of this say none.

    Args:
        served: Served.
        body: bytes.

    Raises:
        Refused: 400 for anything that TensorFlow Serving would not take.
    """
    name = INPUTS[served.reads]
    example = {"b64": "…"} if served.reads == "image" else "…"
    expected = f"Expected {json.dumps({'instances': [example]}, ensure_ascii=False)}."
    try:
        given = json.loads(body)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise Refused(400, f"The body is no JSON: {error}. {expected}") from error
    keys = FORMATS.keys() & given if isinstance(given, dict) else ()
    if len(keys) != 1:
        raise Refused(400, f"{expected} Received: not one of 'instances' and 'inputs' alone.")
    [key] = keys
    if given.get("signature_name", "") not in ("", SIGNATURE):
        raise Refused(
            400, f"The signature is {SIGNATURE!r}. Received: {given['signature_name']!r:.80}."
        )
    values = given[key]
    if key == "inputs" and isinstance(values, dict) and values.keys() != {"b64"}:
        values = _input_of(values, name, expected)
    if not isinstance(values, list) or not values:
        raise Refused(400, f"{expected} Received: no list, or an empty one.")
    if key == "instances" and all(isinstance(x, dict) and x.keys() != {"b64"} for x in values):
        values = [_input_of(value, name, expected) for value in values]
    values = [_string(value, i, expected) for i, value in enumerate(values)]
    values = [_source(value, i, served.reads) for i, value in enumerate(values)]
    options: dict[str, Any] = AS_IT_IS.get(served.pipeline.task, {})
    return Predict(values, key, served.has_alignment, options)


def _input_of(value, name, expected):
    """The only input of a request that names it."""
    if value.keys() != {name}:
        raise Refused(
            400, f"The input is called {name!r}. {expected} Received: {sorted(value)!r:.80}."
        )
    return value[name]


def _string(value, i, expected):
    """The bytes of a string as JSON has it, or as base64."""
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Refused(400, f"Number {i} is no Unicode text: {error.reason}.") from error
    if not isinstance(value, dict) or not isinstance(value.get("b64"), str) or len(value) > 1:
        raise Refused(400, f"{expected} Received, as number {i}: {value!r:.80}.")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"Number {i} is not base64: {error}.") from error


def _source(value, i, reads):
    """The bytes of an image as they are, those of a text as a str."""
    try:
        return value if reads == "image" else value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(400, f"Number {i}: expected UTF-8. Received: {error}.") from error


def predicted(answers: Sequence[Any], served: Served, key: str) -> str:
    """The JSON of a response, str.

    Args:
        answers: list of what `Generation` gives for each source.
        served: Served.
        key: str, "instances" or "inputs".
    """
    columns = tensors(answers, served)
    content: Any = columns
    if key == "instances":
        content = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
    return json.dumps({FORMATS[key]: content}, ensure_ascii=False)


def is_truncated(answer: Any) -> bool:
    """Whether the source of an answer of `Generation` was cut at the limit of the model."""
    return "truncated" in (answer[0] if isinstance(answer, list) else answer)


def tensors(answers: Sequence[Any], served: Served) -> dict[str, list[Any]]:
    """The outputs of the signature as nested lists, padded as tensors are: see `export`."""
    rows = [answer if isinstance(answer, list) else [answer] for answer in answers]
    absent: dict[str, Any] = {"text": "", "score": None, "target_tokens": []}
    rows = [[*row, *[absent] * (_returns(served) - len(row))] for row in rows]
    length = max(len(found["target_tokens"]) for row in rows for found in row)
    columns = {
        "texts": [[found["text"] for found in row] for row in rows],
        "scores": [[found["score"] or 0.0 for found in row] for row in rows],
        "target_tokens": [[_padded(found["target_tokens"], length) for found in r] for r in rows],
    }
    width = 1
    if served.reads == "text":
        width = max(1, *(len(row[0]["source_tokens"]) for row in rows))
        columns["source_tokens"] = [_padded(row[0]["source_tokens"], width) for row in rows]
    if served.has_alignment:
        weights = [
            [np.array(found.get("alignment", np.zeros((0, 0)))) for found in r] for r in rows
        ]
        width = max(width, *(x.shape[1] for row in weights for x in row))
        columns["alignments"] = [
            [np.pad(x, [(0, length - len(x)), (0, width - x.shape[1])]).tolist() for x in row]
            for row in weights
        ]
    return columns


def _returns(served):
    """How many answers there are to each source."""
    return dict(served.pipeline.plan({}, True).options).get("num_return", 1)


def _padded(tokens, length):
    return [*tokens, *[""] * (length - len(tokens))]


def status(warming: Future) -> dict[str, Any]:
    """The versions of the model and their state.

    Args:
        warming: Future, done when the model is ready.
    """
    state, code, message = "LOADING", "OK", ""
    if warming.done():
        error = warming.exception()
        state = "END" if error else "AVAILABLE"
        code, message = ("UNKNOWN", f"{type(error).__name__}: {error}") if error else (code, "")
    outcome = {"error_code": code, "error_message": message}
    return {"model_version_status": [{"version": str(VERSION), "state": state, "status": outcome}]}


def metadata(served: Served) -> dict[str, Any]:
    """What the signature takes and returns."""
    count = _returns(served)
    outputs = {
        "texts": ("DT_STRING", (-1, count)),
        "scores": ("DT_FLOAT", (-1, count)),
        "target_tokens": ("DT_STRING", (-1, count, -1)),
    }
    if served.reads == "text":
        outputs["source_tokens"] = ("DT_STRING", (-1, -1))
    if served.has_alignment:
        outputs["alignments"] = ("DT_FLOAT", (-1, count, -1, -1))
    signature = {
        "inputs": {INPUTS[served.reads]: _tensor(INPUTS[served.reads], "DT_STRING", (-1,))},
        "outputs": {name: _tensor(name, *given) for name, given in outputs.items()},
        "method_name": "tensorflow/serving/predict",
    }
    spec = {"name": model_name(served.name), "signature_name": "", "version": str(VERSION)}
    signatures = {"signature_def": {SIGNATURE: signature}}
    return {"model_spec": spec, "metadata": {"signature_def": signatures}}


def _tensor(name, dtype, shape):
    dimensions = [{"size": str(size), "name": ""} for size in shape]
    shape = {"dim": dimensions, "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": name}
