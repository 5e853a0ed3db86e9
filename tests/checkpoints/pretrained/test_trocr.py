"""TrOCR against transformers: two encoders, two decoders, two tokenizers."""

import shutil

import numpy as np
import pytest
from keras import ops

from s2s_zoo import enable_lora, from_pretrained
from s2s_zoo.checkpoints.pretrained import vision_encoder_decoder
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.lines import LINES
from tests.checkpoints.pretrained.test_loader import edit_within
from tests.checkpoints.pretrained.test_vision import images

pytestmark = pytest.mark.filterwarnings("ignore")
# As trocr-base, and what is different in trocr-small and trocr-large.
VARIANTS = {
    "base": ("vit", {"qkv_bias": False}, {"activation_function": "gelu"}),
    "small": (
        "deit",
        {},
        {
            "activation_function": "relu",
            "use_learned_position_embeddings": False,
            "layernorm_embedding": False,
            "scale_embedding": True,
            "tie_word_embeddings": False,
        },
    ),
}


@pytest.fixture(scope="module", params=VARIANTS)
def oracle(request, tmp_path_factory):
    """A directory, the model that wrote it, its tokenizer and its image processor."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.checkpoints.pretrained.mixed_oracle import trocr as prepare

    directory = tmp_path_factory.mktemp("trocr")
    model, tokenizer, pixels = prepare(directory, *VARIANTS[request.param])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif "orm" in name:
                parameter.uniform_(0.7, 1.3)
            elif "token" in name and name.startswith("encoder") or "position_emb" in name:
                parameter.normal_()
            elif "encoder_attn" in name:
                parameter.normal_(0, 0.4)
    model.generation_config.update(
        max_length=24, num_beams=3, decoder_start_token_id=2, eos_token_id=2, pad_token_id=1
    )
    model.save_pretrained(directory)
    return directory, model, tokenizer, pixels


@pytest.fixture(scope="module")
def pipeline(oracle):
    return from_pretrained(oracle[0])


@pytest.mark.compares("pixels", "ids", "texts", "logits", of=("trocr",))
def test_outputs_and_tokens(oracle, pipeline):
    import torch

    _, model, tokenizer, pixels = oracle
    found, texts = images(3), [*LINES[3:5], "Übung  1"]
    processor = pipeline.processor
    theirs = pixels(found, return_tensors="pt")["pixel_values"]
    ours = np.stack(processor.encode_source(found))
    np.testing.assert_allclose(ours / 127.5 - 1, theirs.permute(0, 2, 3, 1).numpy(), atol=1e-5)
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    labels = processor.pad(processor.encode_target(texts, truncate=False))
    assert [processor.order[row[row != 0]].tolist() for row in labels] == [[*x, 2] for x in ids]
    assert processor.decode(labels) == tokenizer.batch_decode(ids, skip_special_tokens=True)
    target = np.concatenate([np.ones_like(labels[:, :1]), labels[:, :-1]], axis=1)
    read = np.array(processor.order[target])
    read[:, 0] = 2
    with torch.no_grad():
        logits = model(pixel_values=theirs, decoder_input_ids=torch.tensor(read)).logits.numpy()
    here = ops.convert_to_numpy(pipeline.model({"source": ours, "target": target}))
    real = (labels != 0)[..., None]
    np.testing.assert_allclose(here * real, logits[..., processor.order] * real, atol=1e-4)


@pytest.mark.compares("greedy search", "beam search", of=("trocr",))
@pytest.mark.parametrize("beams", [1, 4])
def test_searches_find_what_transformers_finds(oracle, pipeline, beams):
    import torch

    _, model, tokenizer, pixels = oracle
    found = images(24)
    with torch.no_grad():
        ids = model.generate(
            pixels(found, return_tensors="pt")["pixel_values"],
            num_beams=beams, max_length=12, no_repeat_ngram_size=2, forced_eos_token_id=2,
            suppress_tokens=[1, tokenizer.unk_token_id],
        )  # fmt: skip
    expected = tokenizer.batch_decode(ids, skip_special_tokens=True)
    options = {"num_beams": beams, "max_length": 11, "no_repeat_ngram_size": 2}
    assert pipeline(found, **options) == expected
    assert len(set(expected)) > 6


def test_saving_and_lora(oracle, pipeline, tmp_path):
    found = images(2)
    assert pipeline.generation["num_beams"] == 3
    pipeline.save(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again(found) == pipeline(found)
    enable_lora(again.model, 2)
    again.compile()
    again.model.run_eagerly = True
    pairs = [(str(tmp_path / f"{i}.png"), text) for i, text in enumerate(LINES[:2])]
    for image, (name, _) in zip(found, pairs, strict=True):
        image.save(name)
    before = again.score(found, LINES[:2]).sum()
    assert not again.processor.training_batches(pairs).mirror
    again.model.fit(again.batches(pairs, batch_tokens=128), epochs=1, verbose=0)
    assert again.score(found, LINES[:2]).sum() != before


def test_what_a_config_leaves_out(tmp_path):
    transformers = pytest.importorskip("transformers")
    for kind, decoder in (("vit", "gpt2"), ("deit", "trocr")):
        told = {"decoder": {"model_type": decoder, "add_cross_attention": True}}
        silent = {**told, "encoder": {"model_type": kind}}
        full = {
            side: {**transformers.CONFIG_MAPPING[said["model_type"]]().to_dict(), **said}
            for side, said in silent.items()
        }
        described = []
        for config in (full, silent):
            unified, _ = vision_encoder_decoder.unify(config, {}, tmp_path)
            described.append(vision_encoder_decoder.describe(unified))
        assert described[0] == described[1]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"decoder": {"model_type": "bert"}}, "to be a gpt2 or a trocr.*'bert'"),
        ("config.json", {"encoder": {"model_type": "beit"}}, "to be a vit or a deit.*'beit'"),
        ("config.json", {"decoder": {"activation_function": "mish"}}, "Unknown activation_functi"),
        ("config.json", {"decoder": {"vocab_size": 1 << 40}}, "config.json does not describe"),
        ("config.json", {"decoder": {"decoder_layers": 10**6}}, "1000000 layers"),
        ("config.json", {"decoder": {"decoder_layers": 1}}, "do not fit its config.json.*unexpect"),
        ("config.json", {"eos_token_id": 0}, "expected eos_token to be the token 0|eos_token_id"),
        ("tokenizer_config.json", {"unk_token": "<s>"}, "expected unk_token to be the token"),
    ],
)
def test_what_is_refused(oracle, tmp_path, file, change, message):
    copy = shutil.copytree(oracle[0], tmp_path / "copy")
    edit_within(copy / file, change)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)
