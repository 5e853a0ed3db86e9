"""Requests as an attacker crafts them, a line each: never a 500, never what is no JSON, never a
dead thread, and health is right after each."""

import base64
import json
import zlib

import pytest

pytest.importorskip("fastapi", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("prometheus_client", reason="pip install 's2s-zoo[serve]'")
pytest.importorskip("uvicorn", reason="pip install 's2s-zoo[serve]'")

pytestmark = pytest.mark.filterwarnings("ignore:.* texts are longer than")

PREDICT = "/v1/models/tiny:predict"
JSON = {"content-type": "application/json"}
TEXT = ["ein hund"]
NUMBERS = (
    *(0, -1, 1, 2, 1 << 31, 1 << 63, 1 << 64, 10**400, -(10**400), 0.0, -0.0, 0.5),
    *(1e-38, 5e-324, 1e308, -1e308),
)
LITERALS = ("NaN", "Infinity", "-Infinity", "1e999", "1e-999", "01", "1.", "+1", "0x1", "1" * 5000)
OTHERS = (None, True, False, "", "1", "beam", "\x00", [], [1], {}, {"a": 1}, [[]], "x" * 5000)
OPTIONS = (
    *("num_beams", "num_return", "max_length", "length_penalty", "no_repeat_ngram_size"),
    *("repetition_penalty", "forced_prefix", "temperature", "top_k", "top_p", "seed"),
    *("shortlist", "strategy", "return_alignment", "source", "target"),
    *("end_growth", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"),
)
SAMPLING = ("temperature", "top_k", "top_p", "seed", *OPTIONS[-4:])
UNKNOWN = (
    "min_length",
    "suppress_tokens",
    "batch_size",
    "progress",
    "__class__",
    "",
    "ü",
    "texts.0",
)


def dumped(value):
    return json.dumps(value).encode()


def with_option(name, literal):
    """A body whose option is written as it is, and its path."""
    strategy = ', "strategy": "sample"' if name in SAMPLING else ""
    if name in ("num_return", "length_penalty"):
        strategy = ', "num_beams": 3'
    return f'{{"texts": ["ein hund"]{strategy}, "{name}": {literal}}}'.encode()


def nested(opening, closing, depth):
    return opening * depth + closing * depth


BODIES = {
    "nothing": b"",
    "blank": b" \n",
    "null": b"null",
    "number": b"1",
    "string": b'"texts"',
    "list": b"[]",
    "list of texts": b'["a"]',
    "no field": b"{}",
    "cut off": b'{"texts": ["a"',
    "two objects": b'{"texts": ["a"]}{"texts": ["a"]}',
    "comma": b'{"texts": ["a"],}',
    "quotes": b"{'texts': ['a']}",
    "twice": b'{"texts": ["a"], "texts": ["b"]}',
    "twice of another kind": b'{"texts": ["a"], "texts": 1}',
    "deep lists": nested(b"[", b"]", 100_000),
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "deep texts": b'{"texts": ' + nested(b"[", b"]", 100_000) + b"}",
    "open lists": b"[" * 200_000,
    "deep unknown field": b'{"texts": ["a"], "x": ' + nested(b"[", b"]", 50_000) + b"}",
    "many fields": dumped({"texts": ["a"], **{f"x{i}": i for i in range(20_000)}}),
    "long name": dumped({"texts": ["a"], "x" * 100_000: 1}),
    "line breaks in a name": dumped({"texts": ["a"], "x\r\ny": 1}),
    "latin-1": '{"texts": ["ä"]}'.encode("latin-1"),
    "utf-16": '{"texts": ["a"]}'.encode("utf-16"),
    "utf-32": '{"texts": ["a"]}'.encode("utf-32"),
    "utf-7": b'{"texts": ["+AOQ-"]}',
    "byte order mark": b"\xef\xbb\xbf" + dumped({"texts": ["a"]}),
    "overlong": b'{"texts": ["\xc0\xaf"]}',
    "surrogates in utf-8": b'{"texts": ["\xed\xa0\x80"]}',
    "lone surrogate": b'{"texts": ["a \\ud800 b"]}',
    "wrong pair": b'{"texts": ["\\udc00\\ud800"]}',
    "lone surrogate in a name": b'{"texts": ["a"], "\\ud800": 1}',
    "bad escape": b'{"texts": ["\\x"]}',
    "nul": b'{"texts": ["a\\u0000b"]}',
    "raw nul": b'{"texts": ["a\x00b"]}',
    "controls": dumped({"texts": ["\x1b[31m\x07\r\n\t\x7f"]}),
    "not characters": dumped({"texts": ["\ufffe\uffff\U0010ffff"]}),
    "right to left": dumped({"texts": ["\u202eabc\u2066\u200d\ufeff"]}),
    "many accents": dumped({"texts": ["a" + "\u0301" * 5000]}),
    "one long word": dumped({"texts": ["a" * 100_000]}),
    "a pattern's trap": dumped({"texts": ["a" * 40 + "!"]}),
    "only spaces": dumped({"texts": [" " * 50_000, "\u2003", "\t"]}),
    "pieces of the vocabulary": dumped({"texts": ["<pad> <s> </s> <unk> \u2581", "</s>"]}),
    "emoji": dumped({"texts": ["\U0001f468\u200d\U0001f469" * 500]}),
    "no texts": dumped({"texts": []}),
    "one text too many": dumped({"texts": ["a"] * 9}),
    "a hundred thousand texts": dumped({"texts": ["a"] * 100_000}),
    "not a list": dumped({"texts": "a"}),
    "an object": dumped({"texts": {"0": "a"}}),
    "numbers": dumped({"texts": [1, 2.5, None, True]}),
    "bytes": dumped({"texts": [{"b64": "YQ=="}]}),
    "lists": dumped({"texts": [["a"]]}),
    "another kind": dumped({"images": ["AAAA"]}),
    "both kinds": dumped({"texts": ["a"], "images": ["AAAA"]}),
    "text for texts": dumped({"text": "a"}),
    "more returns than beams": dumped({"texts": TEXT, "num_beams": 2, "num_return": 5}),
    "returns of greedy search": dumped({"texts": TEXT, "num_beams": 1, "num_return": 2}),
    "options of another strategy": dumped({"texts": TEXT, "strategy": "greedy", "top_k": 3}),
    "returns that do not exist": dumped(
        {"texts": TEXT, "forced_prefix": "a dog", "max_length": 2, "num_beams": 4, "num_return": 4}
    ),
    "a prefix longer than the answer": dumped(
        {"texts": TEXT, "forced_prefix": "a dog runs " * 50, "max_length": 3}
    ),
    "a prefix of nothing": dumped({"texts": TEXT, "forced_prefix": " \u200b"}),
    "a prefix of half a pair": b'{"texts": ["a"], "forced_prefix": "\\ud800"}',
    "the coldest": dumped({"texts": TEXT, "strategy": "sample", "temperature": 1e-38}),
    "the narrowest": dumped({"texts": TEXT, "strategy": "sample", "top_p": 5e-324}),
    "the harshest": dumped({"texts": TEXT, "repetition_penalty": 1e-300}),
    "the longest": dumped({"texts": TEXT, "num_beams": 3, "length_penalty": -5}),
    "everything": dumped({"texts": TEXT * 8, "num_beams": 16, "num_return": 16}),
    "work over the bound": dumped({"texts": ["ein hund " * 20] * 8, "num_beams": 16}),
}
PREDICTS = {
    "no instances": dumped({"instances": []}),
    "both": dumped({"instances": ["a"], "inputs": ["a"]}),
    "an instance of numbers": dumped({"instances": [1, None]}),
    "names of others": dumped({"instances": [{"x": "a"}]}),
    "some with names": dumped({"instances": [{"texts": "a"}, "b"]}),
    "columns": dumped({"inputs": {"texts": ["a"]}}),
    "columns of others": dumped({"inputs": {"texts": ["a"], "more": [1]}}),
    "a column of nothing": dumped({"inputs": {"texts": None}}),
    "nested": dumped({"instances": [["a"], [["b"]]]}),
    "base64 of no text": dumped({"instances": [{"b64": "/w=="}]}),
    "no base64": dumped({"instances": [{"b64": "!"}]}),
    "base64 of a number": dumped({"instances": [{"b64": 1}]}),
    "base64 and more": dumped({"instances": [{"b64": "YQ==", "x": 1}]}),
    "base64 of half a pair": b'{"instances": [{"b64": "\\ud800"}]}',
    "half a pair": b'{"instances": ["\\ud800"]}',
    "half a pair as a name": b'{"instances": [{"\\ud800": "a"}]}',
    "nan": b'{"instances": [NaN]}',
    "deep": b'{"instances": ' + nested(b"[", b"]", 100_000) + b"}",
    "deep elsewhere": b'{"instances": ["a"], "x": ' + nested(b"[", b"]", 900) + b"}",
    "utf-16": '{"instances": ["a"]}'.encode("utf-16"),
    "utf-16 cut off": '{"instances": ["a"]}'.encode("utf-16")[:-1],
    "not utf-8": b'{"instances": ["\xff"]}',
    "a digit too many": b'{"instances": [' + b"1" * 5000 + b"]}",
    "another signature": dumped({"instances": ["a"], "signature_name": "x" * 1000}),
    "a signature of a list": dumped({"instances": ["a"], "signature_name": [1]}),
    "half a pair as a signature": b'{"instances": ["a"], "signature_name": "\\ud800"}',
    "too many": dumped({"instances": ["a"] * 9}),
    "blank": dumped({"instances": ["", " "]}),
}
HEADERS = [
    {"content-type": "text/plain"},
    {"content-type": ""},
    {"content-type": "application/json; charset=utf-16"},
    {"content-type": "application/json\x01"},
    {"content-type": "x" * 10_000},
    {"content-type": "multipart/form-data; boundary=x"},
    {**JSON, "content-encoding": "gzip"},
    {**JSON, "accept": "application/xml"},
    {**JSON, "accept-encoding": "br;q=x"},
    {**JSON, "host": "["},
    {**JSON, "host": "a b"},
    {**JSON, "host": "\xff"},
    {**JSON, "x-forwarded-for": "[", "x-forwarded-proto": "\xff"},
    {**JSON, "forwarded": "for=[", "x-forwarded-host": "\x01"},
    {**JSON, "cookie": "=;" * 1000},
    {**JSON, "range": "bytes=9-1"},
    {**JSON, "expect": "100-continue"},
    {**JSON, "upgrade": "websocket", "connection": "upgrade"},
    {**JSON, "traceparent": "\x80"},
]
ADDRESSES = [
    *("/%00", "/%ff%fe", "/%ed%a0%80", "/..%2f..%2fetc/passwd", "//x", "/" + "a" * 5000),
    *(
        "/generate/",
        "/generate?texts=a",
        "/v1/models/",
        "/v1/models/tiny/versions/x",
        "/v1/models/%ff",
    ),
    *(
        "/v1/models/tiny/versions/1",
        "/v1/models/tiny/metadata",
        "/v1/models/tiny/versions/%00/metadata",
    ),
    *("/docs", "/redoc", "/model", "/metrics?name[]=x", "/openapi.json", "/*", "/{name}"),
]


def chunk(kind, data):
    body = kind + data
    return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")


def png(width, height, data=b"", kind=2):
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, kind, 0, 0, 0])
    pixels = chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


IMAGES = {
    "nothing": b"",
    "no image": b"x" * 1000,
    "a head alone": b"\x89PNG\r\n\x1a\n",
    "no pixels": png(0, 0),
    "cut off": png(40, 40, b"\0" * 100),
    "larger than may be": png(1 << 30, 1 << 30),
    "as wide as may be": png(64_000_000, 1),
    "a bomb": png(8000, 8000, b"\0" * 20_000_000),
    "of another kind": png(4, 4, b"\0" * 100, 7),
    "a gif without frames": b"GIF89a\x04\x00\x04\x00\x00\x00\x00;",
    "a jpeg without an end": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01",
    "a bitmap of negative size": b"BM" + b"\xff" * 60,
    "a tiff that points at itself": b"II*\x00\x08\x00\x00\x00\xff\xff" + b"\x08" * 100,
    "a program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "a drawing": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "webp": b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    "grey of 65535": b"P5 2 2 65535\n" + b"\0" * 8,
    "grey of nothing": b"P5 -1 2 255\n",
    "an address": b"http://127.0.0.1/x.png",
    "a path": b"/etc/passwd",
}


def refuse(value):
    raise AssertionError(f"{value} is no JSON")


@pytest.fixture
def sound(serve):
    """A function that runs a server and gives another, which sends a request and looks at it."""

    def sound(pipeline):
        client = serve(pipeline, max_batch=8, max_body=1 << 22)
        thread = client.server.config.app.state.service.batcher._thread
        statuses = []

        def ask(what, method, path, **request):
            answer = client.request(method, path, **request)
            assert answer.status_code < 500, (what, answer.status_code, answer.text[:300])
            kind = answer.headers.get("content-type", "").partition(";")[0]
            parts = [answer.text] if kind == "application/json" else []
            if kind == "text/event-stream":
                parts = [part[6:] for part in answer.text.split("\n\n") if part]
            for part in parts:
                found = json.loads(part, parse_constant=refuse)
                assert answer.status_code == 200 or found["error"], what
                assert answer.status_code == 200 or len(part) < 2000, what
            assert client.get("/health").json() == {"status": "ready"}, what
            assert client.server.config.app.state.service.batcher._thread is thread, what
            statuses.append(answer.status_code)
            return answer

        ask.statuses, ask.client = statuses, client
        return ask

    return sound


def test_bodies_and_headers(sound, loaded):
    ask = sound(loaded)
    for name, body in BODIES.items():
        ask(name, "POST", "/generate", content=body, headers=JSON)
        ask(f"{name}, predict", "POST", PREDICT, content=body)
        ask(f"{name}, stream", "POST", "/stream", content=body, headers=JSON)
    for name, body in PREDICTS.items():
        ask(name, "POST", PREDICT, content=body, headers=JSON)
    for headers in HEADERS:
        given = {name: value.encode("latin-1") for name, value in headers.items()}
        for path, body in (("/generate", {"texts": TEXT}), (PREDICT, {"instances": TEXT})):
            ask(headers, "POST", path, content=dumped(body), headers=given)
    for path in ADDRESSES:
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            ask((method, path), method, path)
    assert len(ask.statuses) > 300 and {200, 400, 404, 405, 415, 422} <= {*ask.statuses}


@pytest.fixture
def planned(hooked, loaded):
    """A pipeline that plans every search, and answers as it would without options.

    Each value would compile a search of its own.
    """
    found = loaded(TEXT, return_scores=True)

    class Planned(type(hooked)):
        def __call__(self, sources, return_scores, return_alignment, **options):
            options = {name: options[name] for name in options.keys() & {*OPTIONS}}
            self.pipeline.plan(options, return_scores, return_alignment)
            return found * len(sources)

    return Planned(loaded)


def test_every_option_with_every_value(sound, planned):
    ask = sound(planned)
    for name in (*OPTIONS, *UNKNOWN):
        for literal in (*map(json.dumps, (*NUMBERS, *OTHERS)), *LITERALS):
            body = with_option(name, literal)
            answer = ask((name, literal), "POST", "/generate", content=body, headers=JSON)
            if name in UNKNOWN and literal not in LITERALS:
                assert answer.status_code == 422
    assert ask.statuses.count(200) > 50


def test_images(sound, tiny_captioner):
    ask = sound(tiny_captioner)
    for name, data in IMAGES.items():
        text = base64.b64encode(data).decode()
        answer = ask(name, "POST", "/generate", json={"images": [text]})
        assert (answer.status_code == 200) == (name == "grey of 65535"), name
        ask(name, "POST", "/stream", json={"image": text})
        ask(name, "POST", PREDICT, json={"instances": [{"b64": text}]})
    for bad in ("=", "A", "AAA", "AAAA\n", "-_", "\x00", "ä", "data:image/png;base64,AAAA"):
        assert ask(bad, "POST", "/generate", json={"images": [bad]}).status_code == 400
    for name in ("texts", "text"):
        assert ask(name, "POST", "/generate", json={name: ["a"]}).status_code == 400
