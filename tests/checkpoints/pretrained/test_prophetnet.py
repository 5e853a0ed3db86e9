"""ProphetNet: what its config leaves out, what is refused, and how it is tuned."""

import shutil

import numpy as np
import pytest

from s2s_zoo import enable_lora, from_pretrained
from s2s_zoo.checkpoints.pretrained import prophetnet
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.lines import LINES
from tests.checkpoints.pretrained.test_loader import edit

pytestmark = pytest.mark.filterwarnings("ignore")


def test_what_a_config_leaves_out(tmp_path):
    full = pytest.importorskip("transformers").ProphetNetConfig().to_dict()
    silent = {**prophetnet.FAMILY.defaults, "model_type": "prophetnet"}
    described = [
        prophetnet.describe(prophetnet.unify(config, {}, tmp_path)[0]) for config in (full, silent)
    ]
    assert described[0] == described[1]
    ids = ("pad_token_id", "eos_token_id", "decoder_start_token_id")
    assert [silent[x] for x in ids] == [full[x] for x in ids]


@pytest.mark.filterwarnings("default")
def test_what_stands_between_sentences_is_a_piece_of_its_own(oracle, recwarn):
    theirs = oracle("prophetnet")
    assert "x_sep_token" in (theirs.directory / "tokenizer_config.json").read_text()
    processor = from_pretrained(theirs.directory).processor
    assert [str(x.message) for x in recwarn if "tokenizer_config" in str(x.message)] == []
    [row] = processor.encode_source(["a dog [X_SEP] a park"])
    text = theirs.tokenizer("a dog [X_SEP] a park")["input_ids"]
    assert processor.source_tokenizer.order[row].tolist() == text
    assert processor.tokenizer.vocabulary["[X_SEP]"] in text


def test_lengths_are_those_that_have_positions(oracle):
    pipeline = from_pretrained(oracle("prophetnet").directory)
    [source] = pipeline.processor.encode_source([" ".join(LINES)])
    assert len(source) == 95
    found = pipeline(LINES[3], max_length=94, min_length=93, return_scores=True)
    assert np.isfinite(found.score)
    [target] = pipeline.processor.encode_target([" ".join(LINES)])
    assert len(target) <= 94


def test_saving_and_lora(oracle, tmp_path):
    pipeline = from_pretrained(oracle("prophetnet").directory)
    texts = LINES[:4]
    expected = pipeline(texts)
    pipeline.save(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again(texts) == expected
    enable_lora(again.model, 2)
    again.compile()
    again.model.run_eagerly = True
    before = again.score(texts, ["a dog"] * 4).sum()
    batches = again.batches([(text, "a dog") for text in texts], batch_tokens=128)
    again.model.fit(batches, epochs=1, verbose=0)
    assert again.score(texts, ["a dog"] * 4).sum() != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ngram": 0}, "ngram, the streams that predict, from 1"),
        ({"ngram": "2"}, "ngram, the streams that predict, from 1"),
        ({"activation_function": "mish"}, "Unknown activation_function"),
        ({"num_buckets": 0}, "does not describe a prophetnet.*at least 2 buckets"),
        ({"relative_max_distance": 1 << 40}, "does not describe a prophetnet"),
        ({"max_position_embeddings": 1 << 40}, "does not describe a prophetnet"),
        ({"num_decoder_layers": 10**6}, "1000000 layers"),
        ({"num_encoder_layers": 1}, "do not fit its config.json.*unexpected"),
    ],
)
def test_what_is_refused(oracle, tmp_path, change, message):
    copy = shutil.copytree(oracle("prophetnet").directory, tmp_path / "copy")
    edit(copy / "config.json", **change)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)
