"""One matrix under several names: what a file has of them, and what is tied."""

import shutil

import numpy as np
import pytest

from s2s_zoo import from_pretrained
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.test_loader import change_tensors, edit

pytest.importorskip("torch")
pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore")
NAMES = ("encoder.embed_tokens", "decoder.embed_tokens", "lm_head")
SOURCE, TARGET = np.array([[5, 6, 7, 8, 2]]), np.array([[0, 9, 10, 11]])
TIED = ("marian", "bart", "mbart", "m2m_100", "pegasus", "t5")


@pytest.fixture
def copy(oracle, tmp_path):
    def make(family):
        return shutil.copytree(oracle(family).directory, tmp_path / family)

    return make


def renamed(directory, new):
    """Gives the shared matrix of a file another of its names."""

    def change(tensors):
        (old,) = (name for name in tensors if name.endswith("shared.weight"))
        prefix = "" if new == "lm_head" else old.removesuffix("shared.weight")
        tensors[f"{prefix}{new}.weight"] = tensors.pop(old)

    change_tensors(directory, change)


def logits(model):
    """Logits (1, 4, V) of the same ids every time."""
    return np.asarray(model({"source": SOURCE, "target": TARGET}))


@pytest.mark.parametrize("family", TIED)
def test_a_tied_matrix_may_be_kept_under_any_of_its_names(oracle, copy, family):
    expected = logits(from_pretrained(oracle(family).directory).model)
    for name in NAMES:
        directory = copy(family)
        renamed(directory, name)
        np.testing.assert_array_equal(logits(from_pretrained(directory).model), expected)
        shutil.rmtree(directory)


@pytest.mark.parametrize("name", NAMES[:2])
def test_an_untied_output_is_no_embedding_whatever_that_is_called(oracle, copy, name):
    directory = copy("t5-untied")
    expected = from_pretrained(directory).model
    renamed(directory, name)
    found = from_pretrained(directory).model
    assert not found.decoder.tie_embeddings
    np.testing.assert_array_equal(logits(found), logits(expected))


def test_a_matrix_that_the_config_unties_must_be_there(copy):
    directory = copy("bart")
    edit(directory / "config.json", tie_word_embeddings=False)
    with pytest.raises(CheckpointError, match="lm_head.weight is missing"):
        from_pretrained(directory)


def test_copies_that_differ_are_not_one_matrix(copy):
    """As transformers has it: each side reads the copy of its own name."""
    import torch
    from transformers import BartForConditionalGeneration

    directory = copy("bart")

    def change(tensors):
        shared = tensors["model.shared.weight"]
        tensors["model.encoder.embed_tokens.weight"] = shared + 0.5 * np.roll(shared, 1, axis=0)

    change_tensors(directory, change)
    pipeline = from_pretrained(directory)
    order = pipeline.processor.order
    model = BartForConditionalGeneration.from_pretrained(directory).eval()
    start = order[TARGET]
    start[:, 0] = order[pipeline.model.decoder.start_token]
    with torch.no_grad():
        theirs = model(
            input_ids=torch.tensor(order[SOURCE]), decoder_input_ids=torch.tensor(start)
        ).logits.numpy()[..., order]
    np.testing.assert_allclose(logits(pipeline.model), theirs, atol=1e-4)
