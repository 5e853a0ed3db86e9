"""Speech2Text against transformers: filter banks, outputs, searches."""

import shutil

import numpy as np
import pytest
from keras import ops

from s2s_zoo import enable_lora, from_pretrained
from s2s_zoo.checkpoints.pretrained import speech_to_text
from s2s_zoo.checkpoints.pretrained.tied import as_tied
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.lines import LINES
from tests.checkpoints.pretrained.test_loader import edit_within

pytestmark = pytest.mark.filterwarnings("ignore")
RATE = 16000
# As s2t-small-librispeech-asr, and what else a config may say.
VARIANTS = {
    "published": ({}, {}, {}),
    "other": (
        {
            "conv_kernel_sizes": [3],
            "num_conv_layers": 1,
            "activation_function": "gelu",
            "scale_embedding": False,
            "tie_word_embeddings": False,
        },
        {"normalize_vars": False},
        {"do_upper_case": True},
    ),
}


def sounds(count):
    """Samples of falling and rising tones, of different lengths."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(count):
        time = np.arange(int(RATE * (0.2 + 0.03 * i))) / RATE
        pitch = rng.uniform(100, 2000) + rng.uniform(-800, 2000) * time
        tone = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.02 * rng.normal(size=len(time))
        found.append(tone.astype("float32"))
    return found


@pytest.fixture(scope="module", params=VARIANTS)
def oracle(request, tmp_path_factory):
    """A directory, the model that wrote it, its tokenizer and its feature extractor."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.checkpoints.pretrained.mixed_oracle import speech_to_text as prepare

    directory = tmp_path_factory.mktemp("s2t")
    more, extracted, told = VARIANTS[request.param]
    model, tokenizer, features = prepare(directory, told, extracted, **more)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif name.endswith("norm.weight"):
                parameter.uniform_(0.7, 1.3)
        # Where it is tied, the decoder begins with it too.
        model.get_output_embeddings().weight[2] *= 0.5 if model.config.tie_word_embeddings else 2
    model.generation_config.update(max_length=16, num_beams=3, forced_eos_token_id=2)
    model.save_pretrained(directory)
    return directory, model, tokenizer, features, request.param


@pytest.fixture(scope="module")
def pipeline(oracle):
    return from_pretrained(oracle[0])


def their_inputs(oracle, samples):
    """What the model of transformers is given of one sound, which padding would change."""
    return oracle[3](samples, sampling_rate=RATE, return_tensors="pt")


@pytest.mark.compares("features", "ids", "texts", "logits", of=("s2t", "s2t-other"))
def test_features_outputs_and_tokens(oracle, pipeline):
    import torch

    _, model, tokenizer, *_ = oracle
    processor, found, texts = pipeline.processor, sounds(3), LINES[3:6]
    ours = processor.encode_source([(x, RATE) for x in found])
    theirs = [their_inputs(oracle, x) for x in found]
    for here, there in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(here, there["input_features"][0].numpy(), atol=2e-3)
    ids = tokenizer(text_target=texts)["input_ids"]
    labels = processor.pad(processor.encode_target(texts, truncate=False))
    assert [processor.order[row[row != 0]].tolist() for row in labels] == ids
    assert processor.decode(labels) == tokenizer.batch_decode(ids, skip_special_tokens=True)
    target = np.concatenate([np.ones_like(labels[:, :1]), labels[:, :-1]], axis=1)
    read = np.array(processor.order[target])
    read[:, 0] = 2
    longest = max(map(len, ours))
    source = np.stack([np.pad(x, ((0, longest - len(x)), (0, 0))) for x in ours])
    here = ops.convert_to_numpy(pipeline.model({"source": source, "target": target}))
    assert np.abs(here).max() > 1
    for i, row in enumerate(ours):  # the same features: of faint bands logarithms differ most
        length = np.count_nonzero(labels[i])
        with torch.no_grad():
            there = model(
                input_features=torch.tensor(row[None]),
                decoder_input_ids=torch.tensor(read[i : i + 1, :length]),
            ).logits.numpy()[0][..., processor.order]
        np.testing.assert_allclose(here[i, :length], there, atol=1e-4)


@pytest.mark.compares("greedy search", of=("s2t",))
@pytest.mark.compares("beam search", of=("s2t", "s2t-other"))
@pytest.mark.parametrize("beams", [1, 4])
def test_searches_find_what_transformers_finds(oracle, pipeline, beams):
    import torch

    _, model, tokenizer, _, variant = oracle
    if (variant, beams) == ("other", 1):
        pytest.skip("another variant has this search")
    found, expected = sounds(8), []
    for samples in found:
        with torch.no_grad():
            ids = model.generate(
                **their_inputs(oracle, samples), num_beams=beams, max_length=12,
                no_repeat_ngram_size=2, forced_eos_token_id=2, suppress_tokens=[1, 3],
            )  # fmt: skip
        expected += tokenizer.batch_decode(ids, skip_special_tokens=True)
    options = {"num_beams": beams, "max_length": 11, "no_repeat_ngram_size": 2}
    assert pipeline([(x, RATE) for x in found], **options) == expected
    assert len(set(expected)) > 3


def test_saving_and_lora(oracle, pipeline, tmp_path):
    if oracle[4] == "other":
        pytest.skip("another variant is saved like this one")
    soundfile = pytest.importorskip("soundfile")
    found = [(x, RATE) for x in sounds(2)]
    assert pipeline.task == "transcription" and pipeline.generation["num_beams"] == 3
    pipeline.save(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again(found) == pipeline(found)
    assert pipeline((np.zeros(RATE, "float32"), RATE)) == ""
    enable_lora(again.model, 2)
    again.compile()
    again.model.run_eagerly = True
    pairs = [(str(tmp_path / f"{i}.wav"), text) for i, text in enumerate(["a dog", "runs"])]
    for (samples, _), (name, _) in zip(found, pairs, strict=True):
        soundfile.write(name, samples, RATE)
    before = again.score(found, LINES[:2]).sum()
    again.model.fit(again.batches(pairs, batch_tokens=128), epochs=1, verbose=0)
    assert again.score(found, LINES[:2]).sum() != before


def test_what_a_config_leaves_out(tmp_path):
    full = pytest.importorskip("transformers").Speech2TextConfig().to_dict()
    sizes = ("layers", "ffn_dim", "attention_heads")
    said = [f"{side}_{size}" for side in ("encoder", "decoder") for size in sizes]
    family = speech_to_text.FAMILY
    silent = {**family.defaults, **{key: full[key] for key in (*said, "vocab_size", "d_model")}}
    described = []
    for config in (full, silent):
        unified, tensors = family.unify(config, {}, tmp_path)
        described.append(family.describe(as_tied(unified, tensors)))
        assert unified["normalize"] == [True, True]
    assert described[0] == described[1]
    for key in ("pad_token_id", "eos_token_id", "decoder_start_token_id"):
        assert silent[key] == full[key]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"input_channels": 2}, "one channel.*'input_channels': 2"),
        ("config.json", {"conv_kernel_sizes": [4, 5]}, "kernels of odd widths"),
        ("config.json", {"conv_kernel_sizes": 5}, "config.json does not describe"),
        ("config.json", {"activation_function": "mish"}, "Unknown activation_function"),
        ("config.json", {"encoder_layers": 10**6}, "1000000 layers"),
        ("config.json", {"encoder_layers": 1}, "do not fit its config.json.*unexpected"),
        ("preprocessor_config.json", {"sampling_rate": 8000}, "'sampling_rate': 8000"),
        ("preprocessor_config.json", {"num_mel_bins": 40}, "'num_mel_bins': 40"),
        ("preprocessor_config.json", {"dither": 1.0}, "'dither': 1.0"),
        ("tokenizer_config.json", {"lang_codes": "mustc"}, "lang_codes, several languages"),
        ("tokenizer_config.json", {"unk_token": "<s>"}, "expected unk_token to be the token"),
        ("vocab.json", None, "vocab.json is missing"),
    ],
)
def test_what_is_refused(oracle, tmp_path, file, change, message):
    if oracle[4] == "other":
        pytest.skip("another variant is refused like this one")
    copy = shutil.copytree(oracle[0], tmp_path / "copy")
    if change is None:
        (copy / file).unlink()
    else:
        edit_within(copy / file, change)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)
