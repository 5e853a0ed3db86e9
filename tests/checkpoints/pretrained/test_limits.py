"""A tokenizer.json takes time and memory that follow the text it reads, whoever wrote it."""

import base64
import json
import struct
import threading
import time

import pytest

from s2s_zoo.checkpoints.pretrained.limits import (
    Limited,
    check_pattern,
    check_tokenizer,
    plain_errors,
)
from s2s_zoo.checkpoints.pretrained.tokenizers import from_json
from s2s_zoo.protocol.errors import CheckpointError, DataError

MODEL = {"type": "BPE", "vocab": {"<unk>": 0, "a": 1, "!": 2}, "merges": [], "unk_token": "<unk>"}
GPT_4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def made(**parts):
    config = {"version": "1.0", "added_tokens": [], "model": MODEL}
    return json.dumps({**config, **parts}).encode()


def replacing(content, **pattern):
    return {"type": "Replace", "pattern": pattern, "content": content}


def splitting(pattern):
    config = {"type": "Split", "behavior": "Isolated", "invert": False}
    return {**config, "pattern": {"Regex": pattern}}


@pytest.mark.parametrize(
    "pattern",
    [
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        *(GPT_4, " {2,}", r"\s+", r"\d{1,3}", r"(\d{3})+", "", r"(?<=\d)(?=\d)", r"\p{Han}"),
        r" ?[^(\s|[.,!?…。，、।۔،])]+",
        r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    ],
)
def test_patterns_of_published_tokenizers_are_read(pattern):
    check_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        *("^(a+)+$", "(a|a)*b", "(a*)*", "(?:a|aa)+$", "((a)+)*", "(?:(?:a+))+", "(a{2,3}){4}"),
        *("a*a*a*b", "a?" * 30 + "a{30}", "(a?){30}", "(a|a)" * 30 + "b", "a{1,9}{1,9}"),
        *(r"(.*)\1", r"(?<n>a)\k<n>", r"\g<0>", "a{5000}", "a" * 3000),
    ],
)
def test_patterns_that_go_back_and_try_again_are_refused(pattern):
    with pytest.raises(ValueError, match="a pattern"):
        check_pattern(pattern)
    with pytest.raises(CheckpointError, match="tokenizer.json is no tokenizer that is read here"):
        check_tokenizer(made(pre_tokenizer=splitting(pattern)))
    with pytest.raises(CheckpointError, match="a pattern"):
        check_tokenizer(made(normalizer={"type": "Sequence", "normalizers": [splitting(pattern)]}))


def rules(text):
    return base64.b64encode(struct.pack("<I", 0) + text + b"\0").decode()


DOUBLING = {"type": "Sequence", "normalizers": [replacing("aa", String="a")] * 30}


@pytest.mark.parametrize(
    "parts, message",
    [
        ({"normalizer": DOUBLING}, "its normalizer makes more than 1024 characters of one"),
        ({"normalizer": replacing("a" * 5000, String="a")}, "more than 1024"),
        ({"normalizer": replacing("a" * 5000, Regex="x?")}, "more than 1024"),
        ({"normalizer": {"type": "Prepend", "prepend": "a" * 5000}}, "more than 1024"),
        (
            {"normalizer": {"type": "Precompiled", "precompiled_charsmap": rules(b"x" * 5000)}},
            "a rule that writes 5,000 bytes",
        ),
        ({"decoder": replacing("a" * 9, String="a")}, "its decoder makes more than 8"),
        ({"model": {**MODEL, "vocab": {"a" * 5000: 0}}}, "a piece has more than 1,024"),
        ({"model": {"type": "Unigram", "vocab": [["a" * 5000, 0.0]]}}, "a piece has more than"),
        ({"added_tokens": [{"content": "a" * 5000}]}, "a piece has more than"),
        ({"added_tokens": 5}, "is no tokenizer that is read here"),
        ({"model": None}, "is no tokenizer that is read here"),
        ({"pre_tokenizer": splitting(5)}, "is no tokenizer that is read here"),
    ],
)
def test_what_makes_long_texts_of_short_ones_is_refused(parts, message):
    with pytest.raises(CheckpointError, match=message):
        check_tokenizer(made(**parts))


def test_nested_without_end():
    with pytest.raises(CheckpointError, match="is no tokenizer that is read here"):
        check_tokenizer(b'{"model":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_usual_normalizers_are_read():
    many = [replacing("▁", Regex=" {2,}"), replacing(" ", String="▁"), {"type": "Strip"}]
    many.append({"type": "Precompiled", "precompiled_charsmap": rules(b"x" * 33)})
    check_tokenizer(made(normalizer={"type": "Sequence", "normalizers": many}))


def test_a_panic_is_a_plain_error(monkeypatch):
    """That of a pattern which the check did not know."""
    pytest.importorskip("tokenizers")
    name = "s2s_zoo.checkpoints.pretrained.tokenizers.check_tokenizer"
    monkeypatch.setattr(name, lambda data: None)
    files = {"tokenizer.json": made(pre_tokenizer=splitting("^(a+)+$"))}
    tokenizer, _ = from_json(files)
    with pytest.raises(DataError, match="tokenizer.json gave up on a text.*Use another text"):
        tokenizer.encode(["a" * 60 + "!"])
    assert tokenizer.encode(["a!"]) == [[1, 2]]  # and it goes on


def test_other_errors_of_the_package_are_plain():
    with pytest.raises(CheckpointError, match="vocab.json cannot be read: no numbers. Download"):
        with plain_errors("vocab.json"):
            raise Exception("no numbers")
    with pytest.raises(KeyboardInterrupt), plain_errors("vocab.json"):
        raise KeyboardInterrupt


def test_a_call_that_takes_too_long_is_left_behind_and_no_other_begins():
    call, over = Limited("tokenizer.json"), threading.Event()
    assert call(5, len, "abc") == 3
    with pytest.raises(TypeError, match="len"):
        call(5, len, 5)
    start = time.perf_counter()
    with pytest.raises(DataError, match="took more than 0 seconds for a text"):
        call(0.05, over.wait)
    assert time.perf_counter() - start < 2
    with pytest.raises(DataError, match="is still at work on a text that took too long"):
        call(5, len, "abc")
    over.set()
    while call._late.is_alive():
        time.sleep(0.01)
    assert call(5, len, "abc") == 3
