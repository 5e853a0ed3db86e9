"""GIT against transformers: pixels, outputs, searches, prompts."""

import shutil

import numpy as np
import pytest
from keras import ops

from s2s_zoo import enable_lora, from_pretrained
from s2s_zoo.checkpoints.pretrained import git
from s2s_zoo.checkpoints.pretrained.tied import as_tied
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.lines import LINES
from tests.checkpoints.pretrained.test_donut import pages
from tests.checkpoints.pretrained.test_loader import edit_within

pytestmark = pytest.mark.filterwarnings("ignore")
VARIANTS = {
    "published": ({}, {}),
    "tied": ({"tie_word_embeddings": True, "hidden_act": "relu"}, {"hidden_act": "gelu"}),
}


@pytest.fixture(scope="module", params=VARIANTS)
def oracle(request, tmp_path_factory):
    """A directory, the model that wrote it, its tokenizer and its image processor."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.checkpoints.pretrained.mixed_oracle import git as prepare

    directory = tmp_path_factory.mktemp("git")
    model, tokenizer, pixels = prepare(directory, *VARIANTS[request.param])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif "orm" in name or name.endswith("projection.1.weight"):
                parameter.uniform_(0.7, 1.3)
        model.output.bias[tokenizer.sep_token_id] += 1
        model.output.bias[tokenizer.cls_token_id] = -50  # as in the test of a BLIP
    model.generation_config.update(max_length=16, num_beams=3)
    model.save_pretrained(directory)
    return directory, model, tokenizer, pixels, request.param


@pytest.fixture(scope="module")
def pipeline(oracle):
    return from_pretrained(oracle[0])


def their_pixels(oracle, found):
    return oracle[3](found, return_tensors="pt")["pixel_values"]


@pytest.mark.compares("pixels", "logits", of=("git", "git-tied"))
def test_pixels_and_outputs(oracle, pipeline):
    import torch

    _, model, tokenizer, *_ = oracle
    found, texts = pages(4), LINES[3:7]
    processor, encoder = pipeline.processor, pipeline.model.encoder
    theirs = their_pixels(oracle, found)
    source = np.stack(processor.encode_source(found))
    np.testing.assert_allclose(
        (source / 255 - encoder.mean) / encoder.std, theirs.permute(0, 2, 3, 1).numpy(), atol=1e-5
    )
    labels = processor.pad(processor.encode_target(texts))
    target = np.concatenate([np.ones_like(labels[:, :1]), labels[:, :-1]], axis=1)
    read = np.array(processor.order[target])
    read[:, 0] = tokenizer.cls_token_id
    with torch.no_grad():
        there = model(pixel_values=theirs, input_ids=torch.tensor(read)).logits
    here = ops.convert_to_numpy(pipeline.model({"source": source, "target": target}))
    there = there[:, -read.shape[1] :].numpy()[..., processor.order]
    real = (labels != 0)[..., None]
    assert np.abs(there).max() > 1
    np.testing.assert_allclose(here * real, there * real, atol=1e-4)


@pytest.mark.compares("greedy search", of=("git", "git-tied"))
@pytest.mark.compares("beam search", of=("git",))
@pytest.mark.parametrize(("beams", "prompt"), [(1, None), (4, None), (1, "a dog")])
def test_searches_find_what_transformers_finds(oracle, pipeline, beams, prompt):
    import torch

    _, model, tokenizer, _, variant = oracle
    if variant == "tied" and (beams, prompt) != (1, None):
        pytest.skip("another variant has this search")
    found = pages(12)
    options = {"num_beams": beams, "no_repeat_ngram_size": 2, "max_length": 11}
    banned = [tokenizer.pad_token_id, tokenizer.unk_token_id]
    more = {"suppress_tokens": banned, "forced_eos_token_id": tokenizer.sep_token_id}
    if prompt is not None:  # as their documentation asks a question
        ids = [[tokenizer.cls_token_id, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]]
        more["input_ids"] = torch.tensor(ids * len(found))
    with torch.no_grad():
        ids = model.generate(
            pixel_values=their_pixels(oracle, found), **{**options, "max_length": 12}, **more
        )
    expected = tokenizer.batch_decode(ids, skip_special_tokens=True)
    if prompt is not None:
        options["forced_prefix"] = prompt
    assert pipeline(found, **options) == expected
    assert len(set(expected)) > 4


def test_saving_and_lora(oracle, pipeline, tmp_path):
    if oracle[4] == "tied":
        pytest.skip("another variant is saved like this one")
    found = pages(2)
    captions = pipeline(found)
    assert pipeline.task == "captioning"
    alignment = pipeline(found[0], return_alignment=True).alignment
    assert alignment.shape[1] == 1 + 16
    np.testing.assert_allclose(alignment.sum(axis=1), 1, atol=1e-5)
    pipeline.save(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again(found) == captions
    enable_lora(again.model, 2)
    again.compile()
    again.model.run_eagerly = True
    pairs = [(str(tmp_path / f"{i}.png"), text) for i, text in enumerate(LINES[:2])]
    for image, (name, _) in zip(found, pairs, strict=True):
        image.save(name)
    before = again.score(found, LINES[:2]).sum()
    again.model.fit(again.batches(pairs, batch_tokens=128), epochs=1, verbose=0)
    assert again.score(found, LINES[:2]).sum() != before


def test_what_a_config_leaves_out(tmp_path):
    full = pytest.importorskip("transformers").GitConfig().to_dict()
    described = []
    for config in (full, {"model_type": "git"}):
        unified, tensors = git.unify(config, {}, tmp_path)
        described.append(git.describe(as_tied(unified, tensors)))
        assert [unified[x] for x in ("pad_token_id", "eos_token_id")] == [0, 102]
        assert unified["decoder_start_token_id"] == 101
    assert described[0] == described[1]
    assert unified["pixels"]["resize"] == "middle"


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"num_image_with_embedding": 6}, "a GIT of single images.*of videos"),
        ("config.json", {"hidden_act": "mish"}, "Unknown hidden_act"),
        ("config.json", {"vision_config": {"image_size": 64}}, "images of .32, 32., and"),
        ("config.json", {"vision_config": {"num_hidden_layers": 10**6}}, "1000000 layers"),
        ("config.json", {"vision_config": 5}, "config.json does not describe a git"),
        ("config.json", {"vocab_size": 1 << 40}, "config.json does not describe|The tokenizer"),
        ("config.json", {"num_hidden_layers": 1}, "do not fit its config.json.*unexpected"),
        ("preprocessor_config.json", {"crop_size": {"height": 24, "width": 32}}, "cut out as a sq"),
        ("preprocessor_config.json", {"do_center_crop": False}, "'do_center_crop': False"),
        ("preprocessor_config.json", {"resample": 2}, "'resample': 2"),
        ("tokenizer_config.json", {"sep_token": "[PAD]"}, "expected sep_token to be the token"),
    ],
)
def test_what_is_refused(oracle, tmp_path, file, change, message):
    if oracle[4] == "tied":
        pytest.skip("another variant is refused like this one")
    copy = shutil.copytree(oracle[0], tmp_path / "copy")
    edit_within(copy / file, change)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)
