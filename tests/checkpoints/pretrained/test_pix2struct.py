"""Pix2Struct against transformers: patches, questions above images, outputs, searches."""

import shutil

import numpy as np
import pytest
from keras import ops

from s2s_zoo import enable_lora, from_pretrained
from s2s_zoo.apps.cli.main import main
from s2s_zoo.checkpoints.pretrained import pix2struct
from s2s_zoo.checkpoints.pretrained.tied import as_tied
from s2s_zoo.data import headers
from s2s_zoo.protocol.errors import CheckpointError, DataError, S2SZooError
from tests.checkpoints.pretrained.lines import LINES
from tests.checkpoints.pretrained.test_donut import pages
from tests.checkpoints.pretrained.test_loader import edit_within

pytestmark = pytest.mark.filterwarnings("ignore")
QUESTION = (
    "What does the left one say, and in which of the many colours of the rainbow is it drawn?"
)
# As those that write what they see, and as a DePlot, which is asked.
VARIANTS = {
    "published": (False, {}, {}),
    "asked": (
        True,
        {"tie_word_embeddings": True, "dense_act_fn": "relu"},
        {"d_kv": 6, "dense_act_fn": "gelu", "d_ff": 24},
    ),
}


@pytest.fixture(scope="module")
def letters():
    """A font that every machine with matplotlib has."""
    from matplotlib import font_manager

    return font_manager.findfont("DejaVu Sans")


@pytest.fixture(scope="module", params=VARIANTS)
def oracle(request, tmp_path_factory, letters):
    """A directory, the model that wrote it, its tokenizer, and its image processor."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.checkpoints.pretrained.mixed_oracle import pix2struct as prepare

    directory = tmp_path_factory.mktemp("pix2struct")
    model, tokenizer, pixels = prepare(directory, *VARIANTS[request.param])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layer_norm" in name or "layernorm" in name:
                parameter.uniform_(0.7, 1.3)
            elif "embedder" in name or name.endswith(("projection.bias", "attention_bias.weight")):
                parameter.normal_(0, 0.5)
            elif name.startswith("encoder"):
                parameter.normal_(0, 0.25)
            elif "encoder_decoder_attention" in name:
                parameter.normal_(0, 0.3)
    model.generation_config.update(max_length=16, num_beams=3, forced_eos_token_id=1)
    model.save_pretrained(directory)
    return directory, model, tokenizer, pixels, request.param


@pytest.fixture(scope="module")
def pipeline(oracle, letters):
    found = from_pretrained(oracle[0])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(headers, "ALIKE", (letters,))
        headers._font.cache_clear()
        if oracle[4] == "asked":
            found.processor.question = QUESTION
        yield found
    headers._font.cache_clear()


def their_patches(oracle, found, letters, question=QUESTION):
    """Patches and mask of transformers, whose own font is on the Hub."""
    import torch

    pixels = oracle[3]
    if oracle[4] == "asked":
        arrays = [np.asarray(image).transpose(2, 0, 1) for image in found]
        arrays = [pixels.render_header(x, question, font_path=letters) for x in arrays]
        found = [x.transpose(1, 2, 0) for x in arrays]
    from transformers import Pix2StructImageProcessorPil

    plain = Pix2StructImageProcessorPil(max_patches=60, patch_size={"height": 4, "width": 4})
    made = [plain(image, return_tensors="pt") for image in found]
    return {
        name: torch.cat([x[name] for x in made]) for name in ("flattened_patches", "attention_mask")
    }


@pytest.mark.compares("pixels", "logits", of=("pix2struct", "pix2struct-asked"))
def test_patches_and_outputs(oracle, pipeline, letters):
    import torch

    _, model, *_ = oracle
    found, texts = pages(6), LINES[3:9]
    processor = pipeline.processor
    theirs = their_patches(oracle, found, letters)
    source = np.stack(processor.encode_source(found))
    places = 256 * source[..., 0:4:2] + source[..., 1:4:2]
    ours = np.concatenate([places, source[..., 4:]], axis=-1)
    np.testing.assert_allclose(ours, theirs["flattened_patches"].numpy(), atol=1e-4)
    assert len({tuple(x.max(axis=0)) for x in places}) > 3  # grids
    theirs["flattened_patches"] = torch.tensor(ours)
    labels = processor.pad(processor.encode_target(texts))
    target = np.concatenate([np.ones_like(labels[:, :1]), labels[:, :-1]], axis=1)
    read = np.array(processor.order[target])
    read[:, 0] = 0
    with torch.no_grad():
        there = model(**theirs, decoder_input_ids=torch.tensor(read)).logits
        memory = model.encoder(**theirs).last_hidden_state.numpy()
    encoded = pipeline.model.encode(source)
    mask = ops.convert_to_numpy(encoded.mask)
    np.testing.assert_array_equal(mask, theirs["attention_mask"].numpy() > 0)
    here = ops.convert_to_numpy(encoded.memory)
    np.testing.assert_allclose(here * mask[..., None], memory * mask[..., None], atol=1e-4)
    here = ops.convert_to_numpy(pipeline.model({"source": source, "target": target}))
    there, real = there.numpy()[..., processor.order], (labels != 0)[..., None]
    assert np.abs(there).max() > 1
    np.testing.assert_allclose(here * real, there * real, atol=1e-4)


@pytest.mark.compares("greedy search", of=("pix2struct",))
@pytest.mark.compares("beam search", of=("pix2struct", "pix2struct-asked"))
@pytest.mark.parametrize(("beams", "prompt"), [(1, ""), (4, ""), (1, "a dog")])
def test_searches_find_what_transformers_finds(oracle, pipeline, letters, beams, prompt):
    import torch

    _, model, tokenizer, _, variant = oracle
    if variant == "asked" and beams == 1:
        pytest.skip("another variant has this search")
    found, more = pages(12), {}
    options = {"num_beams": beams, "max_length": 11, "no_repeat_ngram_size": 2}
    if prompt:
        ids = [[0, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]]
        more["decoder_input_ids"] = torch.tensor(ids * len(found))
    with torch.no_grad():
        ids = model.generate(
            **their_patches(oracle, found, letters), **{**options, "max_length": 12}, **more,
            suppress_tokens=[0, 2],
        )  # fmt: skip
    expected = tokenizer.batch_decode(ids, skip_special_tokens=True)
    if prompt:
        options["forced_prefix"] = prompt
    assert pipeline(found, **options) == expected
    assert len(set(expected)) > 4


def test_saving_and_lora(oracle, pipeline, tmp_path):
    found = pages(2)
    answers = pipeline(found)
    assert pipeline.generation["num_beams"] == 3
    alignment = pipeline(found[0], return_alignment=True).alignment
    assert alignment.shape[1] == 60
    np.testing.assert_allclose(alignment.sum(axis=1), 1, atol=1e-5)
    with pytest.raises(S2SZooError, match="its own proportions.*Take the alignment"):
        pipeline.model.encoder.maps(alignment)
    pipeline.save(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again(found) == answers
    assert again.processor.get_config() == pipeline.processor.get_config()
    enable_lora(again.model, 2)
    again.compile()
    again.model.run_eagerly = True
    texts = ["a dog", "the park"]
    pairs = [(str(tmp_path / f"{i}.png"), text) for i, text in enumerate(texts)]
    for image, (name, _) in zip(found, pairs, strict=True):
        image.save(name)
    with pytest.raises(ValueError, match="shown as they are.*mirror=True"):
        again.batches(pairs, mirror=True)
    before = again.score(found, texts).sum()
    again.model.fit(again.batches(pairs, batch_tokens=128), epochs=1, verbose=0)
    assert again.score(found, texts).sum() != before


def test_questions(oracle, pipeline):
    found, processor = pages(1)[0], pipeline.processor
    if oracle[4] == "published":
        with pytest.raises(DataError, match="reads no question"):
            pipeline({"image": found, "question": "Why?"})
        with pytest.raises(DataError, match="reads no question.*forced_prefix"):
            processor.question = "Why?"
        return
    [usual], [same] = (
        processor.encode_source([x]) for x in (found, {"image": found, "question": QUESTION})
    )
    np.testing.assert_array_equal(usual, same)
    [other] = processor.encode_source([{"image": found, "question": "Why?"}])
    assert other.shape == usual.shape and not np.array_equal(other, usual)
    alone = from_pretrained(oracle[0])
    with pytest.raises(DataError, match="a question above the image.*a DePlot it is 'Generate"):
        alone(found)
    for source, message in (
        ({"image": found}, "An image with its question is .*a dict of 'image'"),
        ({"image": found, "question": "x" * 2001}, "expected 1 to 2,000 characters.*2,001"),
        ({"image": found, "question": " \n"}, "none to be seen"),
        ({"image": found.resize((1, 9000)), "question": "Why?"}, "Cut from 1 x 9,000"),
    ):
        with pytest.raises(DataError, match=message):
            alone(source)
    with pytest.raises(TypeError, match="question to be a str"):
        alone({"image": found, "question": 5})


def test_a_question_on_the_command_line(oracle, pipeline, tmp_path, capsys):
    if oracle[4] == "published":
        pytest.skip("another variant is asked")
    file = tmp_path / "chart.png"
    pages(1)[0].save(file)
    assert main(["caption", "--model", str(oracle[0]), "--question", "Why?", str(file)]) == 0
    assert capsys.readouterr().out.strip() == pipeline({"image": file, "question": "Why?"})


def test_what_a_config_leaves_out(tmp_path):
    full = pytest.importorskip("transformers").Pix2StructConfig().to_dict()
    described = []
    for config in (full, {"model_type": "pix2struct"}):
        unified, tensors = pix2struct.unify(config, {}, tmp_path)
        described.append(pix2struct.describe(as_tied(unified, tensors)))
        ids = ("pad_token_id", "eos_token_id", "decoder_start_token_id")
        assert [unified[x] for x in ids] == [0, 1, 0]
    assert described[0] == described[1]
    assert (described[0][0]["patch"], described[0][0]["longest"]) == (16, 2048)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"text_config": {"dense_act_fn": "mish"}}, "'mish'"),
        ("config.json", {"vision_config": {"seq_len": 60}}, "positions=60"),
        ("config.json", {"vision_config": {"seq_len": 1 << 40}}, "config.json does not describe"),
        ("config.json", {"vision_config": {"num_hidden_layers": 10**6}}, "1000000 layers"),
        ("config.json", {"vision_config": 5}, "config.json does not describe"),
        ("config.json", {"text_config": {"num_layers": 1}}, "do not fit its config.*unexpected"),
        ("config.json", {"text_config": {"vocab_size": 1 << 40}}, "does not describe|tokenizer"),
        ("preprocessor_config.json", {"max_patches": 40_000}, "patches from 1 to 32768"),
        ("preprocessor_config.json", {"max_patches": 1 << 40}, "does not describe a pix2struct"),
        ("preprocessor_config.json", {"patch_size": {"height": 4, "width": 8}}, "in squares"),
        ("preprocessor_config.json", {"patch_size": {"height": 5, "width": 5}}, "do not fit"),
        ("preprocessor_config.json", {"do_normalize": False}, "'do_normalize': False"),
    ],
)
def test_what_is_refused(oracle, tmp_path, file, change, message):
    if oracle[4] == "asked":
        pytest.skip("another variant is refused like this one")
    copy = shutil.copytree(oracle[0], tmp_path / "copy")
    edit_within(copy / file, change)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)
