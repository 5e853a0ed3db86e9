"""BigBird-Pegasus against transformers, which reads one source at a time here: see docs."""

import shutil

import numpy as np
import pytest
from keras import ops

from s2s_zoo import from_pretrained
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.lines import LINES
from tests.checkpoints.pretrained.test_loader import edit

pytestmark = pytest.mark.filterwarnings("ignore")
TEXTS = ["a dog", *(f"{LINES[i]} {LINES[i + 3]}" for i in range(0, 70, 10)), *LINES[3:6]]
VARIANTS = {"sparse": {}, "full": {"attention_type": "original_full", "use_bias": True}}


@pytest.fixture(scope="module", params=VARIANTS)
def oracle(request, tmp_path_factory):
    """A directory, the model that wrote it, and its tokenizer."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.checkpoints.pretrained.mixed_oracle import bigbird_pegasus as prepare

    directory = tmp_path_factory.mktemp("bigbird")
    model, tokenizer, _ = prepare(directory, **VARIANTS[request.param])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name:
                parameter.normal_(0, 0.1)
            elif name.endswith("norm.weight"):
                parameter.uniform_(0.7, 1.3)
        model.final_logits_bias.normal_(0, 0.5)
        model.final_logits_bias[0, 2] = -50  # the start, in a rule against repetition read there
        model.final_logits_bias[0, 1] = -3
    model.generation_config.update(num_beams=3, max_length=20, forced_eos_token_id=1)
    model.save_pretrained(directory)
    return directory, model, tokenizer


@pytest.fixture(scope="module")
def pipeline(oracle):
    return from_pretrained(oracle[0])


def their_input(oracle, text):
    """One source; the attention is set anew, as a short one leaves a model with another."""
    _, model, tokenizer = oracle
    model.model.encoder.set_attention_type(model.config.attention_type)
    return tokenizer(text, return_tensors="pt")


@pytest.mark.compares("logits", of=("bigbird", "bigbird-full"))
def test_outputs(oracle, pipeline):
    import torch

    _, model, tokenizer = oracle
    processor = pipeline.processor
    source = processor.pad(processor.encode_source(TEXTS))
    lengths = (source != 0).sum(axis=1)
    assert lengths.min() < 21 < lengths.max()  # 7 blocks
    labels = processor.pad(processor.encode_target(TEXTS[::-1]))[:, :12]
    target = np.concatenate([np.ones_like(labels[:, :1]), labels[:, :-1]], axis=1)
    read = np.array(processor.order[target])
    read[:, 0] = 2
    here = ops.convert_to_numpy(pipeline.model({"source": source, "target": target}))
    memory = ops.convert_to_numpy(pipeline.model.encode(source).memory)
    for i, text in enumerate(TEXTS):
        length = np.count_nonzero(labels[i])
        with torch.no_grad():
            there = model(
                **their_input(oracle, text),
                decoder_input_ids=torch.tensor(read[i : i + 1, :length]),
            )
        found = there.encoder_last_hidden_state[0].numpy()
        np.testing.assert_allclose(memory[i, : len(found)], found, atol=1e-4)
        logits = there.logits[0].numpy()[..., processor.order]
        np.testing.assert_allclose(here[i, :length], logits, atol=1e-4)


@pytest.mark.compares("greedy search", of=("bigbird",))
@pytest.mark.compares("beam search", of=("bigbird", "bigbird-full"))
@pytest.mark.parametrize("beams", [1, 4])
def test_searches_find_what_transformers_finds(oracle, pipeline, beams, tmp_path):
    import torch

    _, model, tokenizer = oracle
    if beams == 1 and model.config.attention_type != "block_sparse":
        pytest.skip("another variant has this search")
    options, expected = {"num_beams": beams, "no_repeat_ngram_size": 2}, []
    for text in TEXTS:
        with torch.no_grad():
            ids = model.generate(
                **their_input(oracle, text), **options, max_length=14, suppress_tokens=[0, 105]
            )
        expected += tokenizer.batch_decode(ids, skip_special_tokens=True)
    assert tokenizer.unk_token_id == 105
    assert (
        pipeline(TEXTS, **options, max_length=13, split=False, faithful=False, detect=False)
        == expected
    )
    assert len(set(expected)) > 4
    if beams > 1:
        pipeline.save(tmp_path / "ours")
        again = from_pretrained(tmp_path / "ours")
        assert (
            again(TEXTS, **options, max_length=13, split=False, faithful=False, detect=False)
            == expected
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention_type": "sparse"}, "block_sparse or original_full.*'sparse'"),
        ({"block_size": 0}, "block=0"),
        ({"num_random_blocks": -1}, "random=-1"),
        ({"encoder_layers": 10**6}, "1000000 layers"),
    ],
)
def test_what_is_refused(oracle, tmp_path, change, message):
    if oracle[1].config.attention_type != "block_sparse":
        pytest.skip("of a sparse one")
    copy = shutil.copytree(oracle[0], tmp_path / "copy")
    edit(copy / "config.json", **change)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)
