"""What requests say: whatever is sent, it is a request or it is refused."""

import json

import pytest

pytest.importorskip("pydantic", reason="pip install 's2s-zoo[serve]'")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from s2s_zoo.apps.serving.refused import Refused  # noqa: E402
from s2s_zoo.apps.serving.schema import (
    LIMITS,
    REQUESTS,
    Image,
    Images,
    Options,
    Text,
    Texts,
    parse,
)  # noqa: E402
from s2s_zoo.generation.options import OPTIONS  # noqa: E402

KINDS = [kind for pair in REQUESTS.values() for kind in pair]
JSON = "application/json; charset=utf-8"
NAMES = st.sampled_from([*Options.model_fields, "texts", "text", "images", "image", "x", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def refusal(kind, body, content_type=JSON):
    with pytest.raises(Refused) as caught:
        parse(kind, content_type, body).sources()
    assert 400 <= caught.value.status < 500 and "\n" not in caught.value.message
    assert len(caught.value.message) < 1000
    return caught.value


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(KINDS), fields=st.dictionaries(NAMES, VALUES, max_size=4))
def test_any_json_is_a_request_or_refused(kind, fields):
    body = json.dumps(fields).encode()
    try:
        request = parse(kind, JSON, body)
        request.sources()
    except Refused:
        refusal(kind, body)
        return
    assert {name: getattr(request, name) for name in fields} == fields


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(KINDS), body=st.binary(max_size=60))
def test_any_bytes_are_refused(kind, body):
    refusal(kind, body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"texts": [], "seed": %s}' % (b"9" * 6000),
        b'{"texts": [], "%s": 1}' % (b"n" * 500_000),
        b'{"a":' * 50_000,
    ],
)
def test_bodies_made_to_be_hard(body):
    refusal(Texts, body)


def test_requests():
    text = parse(Text, JSON, '{"text": "Grüße", "num_beams": 3, "top_p": 1}'.encode())
    assert text.sources() == ["Grüße"]
    assert text.chosen() == {"num_beams": 3, "top_p": 1.0}
    assert parse(Images, JSON, b'{"images": ["AAEC", ""]}').sources() == [b"\0\1\2", b""]
    assert parse(Image, "Application/JSON", b'{"image": "AAEC"}').sources() == [b"\0\1\2"]


def test_a_half_of_a_character_is_no_text():
    assert refusal(Texts, b'{"texts": ["a", "b\\udc00"]}').status == 400
    assert refusal(Image, b'{"image": "AAEC\\nAAEC"}').status == 400


@pytest.mark.parametrize(
    "name, least, most, beyond",
    [
        ("num_beams", 1, 16, 1),
        ("num_return", 1, 16, 1),
        ("max_length", 2, 1 << 40, None),  # the model says how many
        ("length_penalty", -5, 5, 0.5),
        ("no_repeat_ngram_size", 0, 10, 1),
        ("repetition_penalty", 1e-3, 10, 0.5),
        ("temperature", 1e-3, 100, 0.5),
        ("top_k", 1, 1000, 1),
        ("top_p", 1e-3, 1, 0.5),
        ("min_p", 0, 1, 0.5),
        ("typical_p", 1e-3, 1, 0.5),
        ("epsilon_cutoff", 0, 1, 0.5),
        ("eta_cutoff", 0, 1, 0.5),
        ("end_growth", 1e-3, 10, 0.5),
        ("end_growth_start", 0, 1 << 16, 1),
        ("seed", 0, 2**31 - 1, 1),
    ],
)
def test_limits(name, least, most, beyond):
    for value in (least, most):
        assert parse(Text, JSON, json.dumps({"text": "", name: value}).encode()).chosen()
    for value in (least - 1, *([] if beyond is None else [most + beyond])):
        assert refusal(Text, json.dumps({"text": "", name: value}).encode()).status == 422


def test_options_of_a_request():
    own = {"return_alignment", "source", "target"}
    assert Options.model_fields.keys() - own == {*LIMITS} <= OPTIONS.keys()
    assert all(
        field.default is None for name, field in Options.model_fields.items() if name in LIMITS
    )
    for name, value in {
        "strategy": "greedy",
        "shortlist": True,
        "forced_prefix": "x" * 1000,
    }.items():
        assert parse(Text, JSON, json.dumps({"text": "", name: value}).encode()).chosen()
    for name, value in (("strategy", "beams"), ("shortlist", 1), ("forced_prefix", "x" * 1001)):
        assert refusal(Text, json.dumps({"text": "", name: value}).encode()).status == 422
    found = Text.model_json_schema()["properties"]
    assert found["num_beams"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 16}
    assert found["strategy"]["anyOf"][0]["enum"] == ["greedy", "beam", "sample"]
