"""Keys of a generation_config.json that change what a beam search finds, against transformers."""

import json
import shutil

import pytest

from s2s_zoo import from_pretrained
from tests.checkpoints.pretrained.lines import AS_IT_IS, LINES
from tests.checkpoints.pretrained.test_loader import change_tensors, edit

pytest.importorskip("torch")
pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore")
TEXTS = LINES[::14]
LENGTH = 12


@pytest.fixture(scope="module")
def padding_is_likely(oracle, tmp_path_factory):
    """A Marian that would write padding if it might, as the published ones, and its Oracle."""
    theirs = oracle("marian")
    directory = shutil.copytree(theirs.directory, tmp_path_factory.mktemp("likely") / "marian")
    pad = theirs.model.config.pad_token_id

    def change(tensors):
        tensors["final_logits_bias"][0, pad] += 6
        tensors["final_logits_bias"][0, theirs.model.config.eos_token_id] += 2  # some texts end

    change_tensors(directory, change)
    return directory, theirs


@pytest.mark.parametrize(
    "changes",
    [
        {"renormalize_logits": True},
        {"renormalize_logits": True, "early_stopping": "never", "repetition_penalty": 1.4},
        {"exponential_decay_length_penalty": [2, 1.2]},
        {"exponential_decay_length_penalty": [0, 0.8], "early_stopping": True},
        {"min_new_tokens": 6, "min_length": 3},
    ],
    ids=["renormalize", "never", "sooner", "later", "least"],
)
def test_beams_find_what_those_of_transformers_find(padding_is_likely, changes):
    import torch
    from transformers import GenerationConfig, MarianMTModel

    from tests.checkpoints.pretrained.oracle import padded

    directory, theirs = padding_is_likely
    written = json.loads((directory / "generation_config.json").read_text())
    edit(directory / "generation_config.json", **changes)
    model = MarianMTModel.from_pretrained(directory).eval()
    pad = model.config.pad_token_id
    ids, mask = padded(theirs.tokenizer(TEXTS)["input_ids"], pad)
    options = {"max_length": LENGTH + 1, "suppress_tokens": [1]}  # the unknown token
    rows = []
    with torch.no_grad():
        for config in (model.generation_config, GenerationConfig(**written)):
            model.generation_config = config
            inputs = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
            rows.append(model.generate(**inputs, **options))
    pipeline = from_pretrained(directory)
    (directory / "generation_config.json").write_text(json.dumps(written))
    expected, usual = (
        theirs.tokenizer.batch_decode(found, skip_special_tokens=True) for found in rows
    )
    assert pipeline(TEXTS, max_length=LENGTH, **AS_IT_IS) == expected
    assert expected != usual
    assert len(set(expected)) > 3
