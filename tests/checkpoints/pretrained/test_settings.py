"""Added tokens and the settings of a tokenizer, as transformers reads them."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo import from_pretrained
from s2s_zoo.checkpoints.pretrained.settings import NOT_DONE, USED, WITHOUT_EFFECT, read_settings
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.test_loader import change_tensors, edit

TABLES = {"works": USED, "changes no text": WITHOUT_EFFECT, "warned of": NOT_DONE.keys()}
SAID = {
    "do_lower_case": True,
    "split_special_tokens": True,
    "truncation_side": "left",
    "sp_model_kwargs": {"enable_sampling": True},
    "add_bos_token": True,
    "add_eos_token": True,
}
TEXTS = [
    "a dog <foo> in the park.",
    "<foo>a dog<bar>",
    "ein Hund  <bar> runs <foo>.",
    "<foo><foo> le <bar>",
    "a <fo o>",
]


@pytest.fixture
def copy(hub_marian, tmp_path):
    return shutil.copytree(hub_marian, tmp_path / "copy")


def with_two_tokens(directory, written, size):
    """Gives a checkpoint two more tokens, <foo> and the special <bar>, in a way of writing them.

    Returns:
        Their ids, the next ones of a tokenizer that has `size`.
    """
    rows = json.loads((directory / "config.json").read_text())["vocab_size"]

    def change(tensors):
        for name, value in tensors.items():
            if value.ndim == 2 and rows in value.shape:
                axis = value.shape.index(rows)
                more = np.take(value, range(size + 2 - rows), axis=axis)
                tensors[name] = np.concatenate([value, more], axis=axis)

    if rows < size + 2:
        change_tensors(directory, change)
        edit(directory / "config.json", vocab_size=size + 2)
    path = directory / "tokenizer_config.json"
    if not path.exists():
        path.write_text("{}")
    tokens = {"<foo>": size, "<bar>": size + 1}
    edit(path, additional_special_tokens=["<bar>"], extra_special_tokens=None)
    if written == "added_tokens":
        edit(path, added_tokens_decoder=None)
        (directory / "added_tokens.json").write_text(json.dumps(tokens))
    else:
        decoder = json.loads(path.read_text()).get("added_tokens_decoder") or {}
        for piece, number in tokens.items():
            flags = {"special": piece == "<bar>", "rstrip": piece == "<bar>", "lstrip": False}
            flags |= {"single_word": False, "normalized": False, "content": piece}
            decoder[str(number)] = flags
        edit(path, added_tokens_decoder=decoder)
    return list(tokens.values())


@pytest.mark.parametrize("written", ["added_tokens", "added_tokens_decoder"])
@pytest.mark.parametrize("family", ["marian", "m2m_100", "t5"])
@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_added_tokens_are_those_of_transformers(oracle, tmp_path, family, written):
    directory = shutil.copytree(oracle(family).directory, tmp_path / family)
    kind = type(oracle(family).tokenizer)
    ids = with_two_tokens(directory, written, len(oracle(family).tokenizer))
    theirs = kind.from_pretrained(directory)
    pipeline = from_pretrained(directory)
    processor = pipeline.processor
    order, places = processor.order, processor.source_tokenizer.places
    expected = theirs(TEXTS)["input_ids"]
    assert [order[row].tolist() for row in processor.encode_source(TEXTS)] == expected
    assert set(ids) <= set(np.concatenate(expected))
    rows = [places[row][None] for row in expected]
    found = [processor.decode(row)[0] for row in rows]
    texts = theirs.batch_decode(expected, skip_special_tokens=True)
    # transformers leaves languages in the text of M2M-100.
    assert found == [re.sub("^__de__ ?", "", text) for text in texts]
    assert any("<foo>" in text for text in found) and not any("<bar>" in text for text in found)
    pipeline.save(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours").processor
    for row, before in zip(again.encode_source(TEXTS), processor.encode_source(TEXTS), strict=True):
        np.testing.assert_array_equal(row, before)


def test_an_added_token_of_a_tokenizer_json(oracle, tmp_path):
    directory = shutil.copytree(oracle("bart").directory, tmp_path / "bart")
    size = len(oracle("bart").tokenizer)
    (directory / "added_tokens.json").write_text(json.dumps({"<foo>": size + 1}))
    edit(directory / "tokenizer_config.json", added_tokens_decoder=None)
    with pytest.raises(CheckpointError, match=f"expected the id {size}, the next.*{size + 1}"):
        from_pretrained(directory)
    (directory / "added_tokens.json").write_text(json.dumps({"<foo>": size}))
    processor = from_pretrained(directory).processor
    row = processor.order[processor.encode_source(["a dog <foo> in"])[0]].tolist()
    theirs = type(oracle("bart").tokenizer).from_pretrained(directory)
    assert row == theirs("a dog <foo> in")["input_ids"] and size in row


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("added_tokens.json", {"<foo>": "3"}, "added_tokens.json expected ids and texts"),
        ("added_tokens.json", {"<foo>": -3}, "added_tokens.json expected ids and texts"),
        ("added_tokens.json", {"<foo>": 10**9}, "The tokenizer has ids up to 1000000000"),
        ("tokenizer_config.json", {"added_tokens_decoder": [1]}, "expected ids and texts"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"a": "b"}}, "expected ids and texts"),
        (
            "tokenizer_config.json",
            {"eos_token": "<unk>"},
            "eos_token to be the token 0. Rec.*<unk>",
        ),
        ("tokenizer_config.json", {"eos_token": "<x>"}, "eos_token to be the token 0.*is none"),
        (
            "tokenizer_config.json",
            {"unk_token": {"content": "</s>"}},
            "unk_token to be the token 1",
        ),
        ("special_tokens_map.json", {"eos_token": "<unk>"}, "eos_token to be the token 0"),
    ],
)
def test_tokens_that_do_not_fit_are_refused(copy, name, content, message):
    (copy / name).write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)


def test_legacy_behaviour_of_nllb(oracle, tmp_path):
    """The code of the language behind the end, as the first NLLB had it."""
    directory = shutil.copytree(oracle("nllb").directory, tmp_path / "nllb")
    edit(directory / "tokenizer_config.json", legacy_behaviour=True)
    theirs = type(oracle("nllb").tokenizer).from_pretrained(directory)
    processor = from_pretrained(directory).processor
    (row,) = processor.encode_source(["a dog runs"])
    expected = theirs("a dog runs")["input_ids"]
    assert processor.order[row].tolist() == expected
    assert expected[-1] == theirs.convert_tokens_to_ids("deu_Latn")


def test_languages_of_wmt21(oracle, tmp_path):
    directory = shutil.copytree(oracle("m2m_100").directory, tmp_path / "wmt21")
    path = directory / "tokenizer_config.json"
    edit(path, language_codes="wmt21", added_tokens_decoder=None, additional_special_tokens=None)
    edit(path, extra_special_tokens=None)
    (directory / "special_tokens_map.json").unlink(missing_ok=True)
    theirs = type(oracle("m2m_100").tokenizer).from_pretrained(directory)
    processor = from_pretrained(directory).processor
    (row,) = processor.encode_source(["a dog runs"])
    assert processor.order[row].tolist() == theirs("a dog runs")["input_ids"]
    assert list(processor.languages) == sorted("en ha is ja cs ru zh de".split())
    edit(path, language_codes="wmt22")
    with pytest.raises(CheckpointError, match="wmt22"):
        from_pretrained(directory)


@pytest.mark.parametrize("family", ["marian", "bart", "t5"])
@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_spaces_are_cleaned_up_where_transformers_does(oracle, tmp_path, family):
    directory = shutil.copytree(oracle(family).directory, tmp_path / family)
    path = directory / "tokenizer_config.json"
    if not path.exists():
        oracle(family).tokenizer.save_pretrained(directory)
    edit(path, clean_up_tokenization_spaces=True)
    theirs = type(oracle(family).tokenizer).from_pretrained(directory)
    processor = from_pretrained(directory).processor
    text = "the old man , in the park . à la maison ?"
    (row,) = theirs([text])["input_ids"]
    (found,) = processor.decode(processor.source_tokenizer.places[row][None])
    assert found == theirs.decode(row, skip_special_tokens=True)
    assert (" ." in found) == (family == "bart")


def test_separate_vocabularies_are_those_that_the_settings_say(oracle, tmp_path):
    directory = shutil.copytree(oracle("marian").directory, tmp_path / "marian")
    vocabulary = json.loads((directory / "vocab.json").read_text())
    (directory / "target_vocab.json").write_text(json.dumps({**vocabulary, "▁a": 90}))
    edit(directory / "tokenizer_config.json", separate_vocabs=False)
    processor = from_pretrained(directory).processor
    assert "target_vocab.json" not in processor.files


@pytest.mark.parametrize("prefix", [True, False])
def test_the_settings_say_whether_a_text_begins_with_a_space(oracle, tmp_path, prefix):
    directory = shutil.copytree(oracle("bart").directory, tmp_path / "bart")
    path = directory / "tokenizer.json"
    cut = json.loads(path.read_text())
    cut["pre_tokenizer"]["add_prefix_space"] = not prefix
    path.write_text(json.dumps(cut))
    edit(directory / "tokenizer_config.json", add_prefix_space=prefix)
    theirs = type(oracle("bart").tokenizer).from_pretrained(directory)
    processor = from_pretrained(directory).processor
    (row,) = processor.encode_source(["a dog runs"])
    assert processor.order[row].tolist() == theirs("a dog runs")["input_ids"]


@pytest.mark.parametrize(
    "setting", [{"additional_special_tokens": ["<new>"]}, {"bos_token": {"content": "▁a"}}]
)
def test_special_tokens_that_are_none_here_are_named(copy, setting):
    edit(copy / "tokenizer_config.json", **setting)
    (name,) = setting
    with pytest.warns(UserWarning, match=rf"tokenizer_config.json says {name}=\['(<new>|▁a)'\]"):
        from_pretrained(copy)


def test_what_transformers_writes_needs_no_warning(oracle, tmp_path):
    for family in ("marian", "bart", "mbart", "m2m_100", "nllb", "pegasus", "t5"):
        oracle(family).tokenizer.save_pretrained(tmp_path / family)
        assert read_settings(tmp_path / family, {})


def test_settings_that_are_not_done_are_named(tmp_path):
    path = tmp_path / "tokenizer_config.json"
    assert SAID.keys() == NOT_DONE.keys()
    for name, value in {**SAID, "an_invention": 1}.items():
        for off in (None, NOT_DONE.get(name)):
            path.write_text(json.dumps({name: off}))
            read_settings(tmp_path, {})
        path.write_text(json.dumps({name: value}))
        said = re.escape(f"tokenizer_config.json says {name}={value!r}, which no tokenizer here")
        with pytest.warns(UserWarning, match=said):
            read_settings(tmp_path, {})
    path.write_text(json.dumps({name: 3 for name in WITHOUT_EFFECT}))
    assert read_settings(tmp_path, {})["added_tokens"] == {}
    token = {"content": "<foo>", "single_word": True}
    path.write_text(json.dumps({"added_tokens_decoder": {"7": token}}))
    with pytest.warns(UserWarning, match=r"added_tokens_decoder\[7\]=.*single_word"):
        read_settings(tmp_path, {})


def test_lone_surrogates_become_question_marks(hub_marian, oracle):
    processors = [from_pretrained(hub_marian).processor]
    for family in ("bart", "t5", "nllb"):
        processors.append(from_pretrained(oracle(family).directory).processor)
    for processor in processors:
        broken, mended = ["a \ud800 dog", "b"], ["a ? dog", "b"]
        for side in ("source", "target"):
            encode = getattr(processor, f"encode_{side}")
            for row, expected in zip(encode(broken), encode(mended), strict=True):
                np.testing.assert_array_equal(row, expected)


def test_the_documents_have_the_same_tables():
    text = Path("docs/pretrained.md").read_text(encoding="utf-8").split("## tokenizer_config")[1]
    for title, names in TABLES.items():
        (row,) = re.findall(rf"^\| {title} \|(.*)\|$", text, re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", row.split("|")[0])) == names
