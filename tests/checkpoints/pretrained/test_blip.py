"""BLIP captioners against transformers: pixels, ids, outputs, searches, prompts, texts."""

import json
import shutil
from copy import deepcopy

import numpy as np
import pytest
from keras import ops

from s2s_zoo import enable_lora, from_pretrained
from s2s_zoo.checkpoints.pretrained import blip
from s2s_zoo.checkpoints.pretrained.tied import as_tied
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.lines import LINES
from tests.checkpoints.pretrained.test_loader import change_tensors, edit_within
from tests.checkpoints.pretrained.test_vision import images

pytestmark = pytest.mark.filterwarnings("ignore")
VARIANTS = {"tied": {}, "untied": {"tie_word_embeddings": False}}


@pytest.fixture(scope="module", params=VARIANTS)
def oracle(request, tmp_path_factory):
    """A directory, the model that wrote it, its tokenizer and its image processor."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.checkpoints.pretrained.mixed_oracle import blip as prepare

    directory = tmp_path_factory.mktemp("blip")
    model, tokenizer, pixels = prepare(directory, **VARIANTS[request.param])
    count = len(tokenizer)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif "orm" in name:
                parameter.uniform_(0.7, 1.3)
            elif "cross" in name:
                parameter.normal_(0, 0.35)
            elif name.startswith("vision"):
                parameter.normal_(0, 0.25)
        head = model.text_decoder.cls.predictions.decoder
        head.weight[tokenizer.sep_token_id] *= 2
        head.bias[count:] = -20  # a rule against repetition reads the start there, and none here
    model.save_pretrained(directory)
    return directory, model, tokenizer, pixels


@pytest.fixture(scope="module")
def pipeline(oracle):
    return from_pretrained(oracle[0])


def their_pixels(oracle, found):
    return oracle[3](found, return_tensors="pt")["pixel_values"]


@pytest.mark.compares("pixels", of=("blip",))
def test_pixels(oracle, pipeline):
    found = images(4)
    theirs = their_pixels(oracle, found).numpy().transpose(0, 2, 3, 1)
    encoder = pipeline.model.encoder
    ours = np.stack(pipeline.processor.encode_source(found)) / 255
    np.testing.assert_allclose((ours - encoder.mean) / encoder.std, theirs, atol=1e-5)
    assert pipeline.processor.resize == "bicubic"


@pytest.mark.compares("ids", "texts", of=("blip",))
def test_ids_and_texts(oracle, pipeline, tmp_path):
    _, _, tokenizer, _ = oracle
    processor, texts = pipeline.processor, [*LINES[::5], "Ünïcode, A.B. don't  x", "犬 a😀", ""]

    def ids(made):
        return [made.order[row[:-1]].tolist() for row in made.encode_target(texts)]

    expected = tokenizer(texts, add_special_tokens=False)["input_ids"]
    assert ids(processor) == expected
    rows = processor.pad(processor.encode_target(texts))
    assert processor.decode(rows) == tokenizer.batch_decode(expected, skip_special_tokens=True)
    # The same from vocab.txt, and as the settings say.
    copy = shutil.copytree(oracle[0], tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    (copy / "vocab.txt").write_text(
        "\n".join(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    )
    assert ids(from_pretrained(copy).processor) == expected
    settings = json.loads((copy / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").write_text(json.dumps({**settings, "do_lower_case": False}))
    cased = type(tokenizer).from_pretrained(copy)(texts, add_special_tokens=False)["input_ids"]
    assert ids(from_pretrained(copy).processor) == cased != expected


@pytest.mark.compares("logits", of=("blip",))
def test_outputs(oracle):
    """In float64: what the two make of float32 differs from it by more than from one another."""
    import torch

    pipeline, model = from_pretrained(oracle[0], dtype="float64"), deepcopy(oracle[1]).double()
    found, texts = images(4), LINES[3:7]
    processor = pipeline.processor
    labels = processor.pad(processor.encode_target(texts))
    target = np.concatenate([np.ones_like(labels[:, :1]), labels[:, :-1]], axis=1)
    read = np.array(processor.order[target])
    read[:, 0] = model.config.text_config.bos_token_id
    with torch.no_grad():
        pixels = their_pixels(oracle, found).double()
        theirs = model(pixel_values=pixels, input_ids=torch.tensor(read))
    ours = pipeline.model({"source": np.stack(processor.encode_source(found)), "target": target})
    here, there = ops.convert_to_numpy(ours), theirs.logits.numpy()[..., processor.order]
    real = (labels != 0)[..., None]
    assert np.abs(there).max() > 1
    np.testing.assert_allclose(here * real, there * real, atol=2e-5)


@pytest.mark.compares("greedy search", "beam search", of=("blip",))
@pytest.mark.parametrize(("beams", "prompt"), [(1, None), (4, None), (1, "a dog")])
def test_searches_find_what_transformers_finds(oracle, pipeline, beams, prompt):
    import torch

    _, model, tokenizer, _ = oracle
    found, count = images(24), len(tokenizer)
    options = {"num_beams": beams, "no_repeat_ngram_size": 2, "max_length": 12}
    banned = [tokenizer.pad_token_id, tokenizer.unk_token_id]
    more = {"suppress_tokens": banned, "forced_eos_token_id": tokenizer.sep_token_id}
    if prompt is not None:
        more["input_ids"] = torch.tensor(tokenizer([prompt] * len(found))["input_ids"])
    with torch.no_grad():
        pixels = their_pixels(oracle, found)
        ids = model.generate(pixels, **{**options, "max_length": 13}, **more)
    theirs = [row[row < count].tolist() for row in ids]
    expected = tokenizer.batch_decode(theirs, skip_special_tokens=True)
    if prompt is not None:
        options["forced_prefix"] = prompt
    assert pipeline(found, **options) == expected
    assert len(set(expected)) > 6


def test_saving_and_lora(oracle, pipeline, tmp_path):
    found = images(3)
    captions = pipeline(found)
    assert pipeline.task == "captioning"
    assert pipeline(found[0], return_alignment=True).alignment.shape[1] == 1 + 16
    pipeline.save(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again(found) == captions
    enable_lora(again.model, 2)
    again.compile()
    again.model.run_eagerly = True
    pairs = [(str(tmp_path / f"{i}.png"), text) for i, text in enumerate(LINES[:3])]
    for image, (name, _) in zip(found, pairs, strict=True):
        image.save(name)
    before = again.score(found, LINES[:3]).sum()
    again.model.fit(again.batches(pairs, batch_tokens=128), epochs=1, verbose=0)
    assert again.score(found, LINES[:3]).sum() != before


def test_what_a_config_leaves_out():
    full = pytest.importorskip("transformers").BlipConfig().to_dict()
    said = {"model_type": "blip", "tie_word_embeddings": True}
    silent = {**said, "text_config": {}, "vision_config": None}
    described = []
    for config in (full, silent):
        unified, tensors = blip.unify(config, {}, blip.Path("nowhere"))
        described.append(blip.describe(as_tied(unified, tensors)))
        assert unified["eos_token_id"] == 102 and unified["decoder_start_token_id"] == 30522
    assert described[0] == described[1]
    assert unified["pixels"]["resize"] == "bicubic"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"text_config": {"hidden_act": "mish"}}, "Unknown hidden_act"),
        ("config.json", {"text_config": {"sep_token_id": 10**9}}, "different tokens for padding"),
        ("config.json", {"text_config": {"vocab_size": 1 << 40}}, "config.json does not describe"),
        ("config.json", {"text_config": {"vocab_size": 90}}, "The tokenizer has"),
        ("config.json", {"text_config": 5}, "config.json does not describe a blip"),
        ("config.json", {"vision_config": {"num_hidden_layers": 10**6}}, "1000000 layers"),
        ("config.json", {"vision_config": {"patch_size": 5}}, "a patch that divides"),
        ("config.json", {"vision_config": {"image_size": 64}}, "images of .32, 32., and"),
        ("config.json", {"vision_config": {"patch_size": 16}}, "do not fit its config.json"),
        ("preprocessor_config.json", {"do_rescale": False}, "divided by 255.*'do_rescale': False"),
        ("tokenizer_config.json", {"sep_token": "[PAD]"}, "expected sep_token to be the token"),
        ("tokenizer_config.json", {"do_lower_case": "x"}, "expected true or false.*'x'"),
        ("generation_config.json", {"num_beams": -1}, "expected num_beams to be"),
    ],
)
def test_what_is_refused(oracle, tmp_path, file, change, message):
    copy = shutil.copytree(oracle[0], tmp_path / "copy")
    edit_within(copy / file, change)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)


def test_a_vocabulary_of_another_kind_is_refused(oracle, tmp_path):
    copy = shutil.copytree(oracle[0], tmp_path / "copy")
    (copy / "tokenizer.json").unlink()
    for data, message in (
        (b"a\nb", r"expected a piece \[UNK\]"),
        (b"\xff", "vocab.txt is no text"),
    ):
        (copy / "vocab.txt").write_bytes(data)
        with pytest.raises(CheckpointError, match=message):
            from_pretrained(copy)
    (copy / "vocab.txt").unlink()
    with pytest.raises(CheckpointError, match="vocab.txt is missing"):
        from_pretrained(copy)


def test_numbers_that_are_none_are_refused(oracle, tmp_path):
    copy = shutil.copytree(oracle[0], tmp_path / "copy")
    name = "text_decoder.cls.predictions.transform.dense.weight"

    def change(tensors):
        tensors[name] = tensors[name] * np.nan

    change_tensors(copy, change)
    with pytest.raises(CheckpointError, match="decoder.transform.dense.weight holds numbers that"):
        from_pretrained(copy)
