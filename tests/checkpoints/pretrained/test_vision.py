"""Imported captioners against transformers: pixels, outputs, gradients, searches, texts."""

import json
import shutil

import numpy as np
import pytest
from keras import ops

from s2s_zoo import from_pretrained
from s2s_zoo.checkpoints.pretrained.images import image_options
from s2s_zoo.protocol.errors import CheckpointError, DataError
from tests.checkpoints.pretrained.lines import LINES
from tests.checkpoints.pretrained.test_loader import change_tensors

pytestmark = pytest.mark.filterwarnings("ignore")


def images(count, height=40, width=56):
    """Pillow images of coloured stripes, no two alike."""
    from PIL import Image

    rng = np.random.default_rng(0)
    y, x = (axis[..., None] for axis in np.mgrid[:height, :width])
    found = []
    for _ in range(count):
        waves, shifts = rng.uniform(-0.5, 0.5, (2, 3)), rng.uniform(0, 6, 3)
        pixels = 127 * (1 + np.sin(waves[0] * x + waves[1] * y + shifts))
        found.append(Image.fromarray(pixels.astype("uint8")))
    return found


@pytest.fixture(scope="module", params=[32, 48])
def oracle(request, tmp_path_factory):
    """A directory, the model that wrote it, its tokenizer and its image processor."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.checkpoints.pretrained.mixed_oracle import END, vit_gpt2

    directory = tmp_path_factory.mktemp("captioner")
    model, tokenizer, pixels = vit_gpt2(directory, {"hidden_size": request.param})
    end = tokenizer.convert_tokens_to_ids(END)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
        model.encoder.embeddings.cls_token.normal_()
        model.encoder.embeddings.position_embeddings.normal_()
    model.generation_config.update(max_length=16, num_beams=3, decoder_start_token_id=end)
    model.save_pretrained(directory)
    return directory, model, tokenizer, pixels


@pytest.fixture(scope="module")
def pipeline(oracle):
    return from_pretrained(oracle[0])


def their_pixels(pipeline, found):
    """What the model of transformers is given: our resized images, scaled as it wants them."""
    import torch

    ours = np.stack(pipeline.processor.encode_source(found))
    return ours, torch.tensor((ours / 255 - 0.5) / 0.5, dtype=torch.float32).permute(0, 3, 1, 2)


@pytest.mark.compares("pixels", of=("vit-gpt2",))
def test_pixels(oracle, pipeline):
    found = images(6)
    theirs = oracle[3](found, return_tensors="np")["pixel_values"].transpose(0, 2, 3, 1)
    ours = np.stack(pipeline.processor.encode_source(found)) / 127.5 - 1
    assert np.abs(ours - theirs).max() < 1e-5


@pytest.mark.compares("logits", "gradients", of=("vit-gpt2",))
def test_outputs_and_gradients(oracle, pipeline):
    import tensorflow as tf
    import torch

    _, model, tokenizer, _ = oracle
    ours, theirs = their_pixels(pipeline, images(4))
    processor, end = pipeline.processor, model.config.eos_token_id
    texts = LINES[3:7]
    ids = [[*row, end] for row in tokenizer(texts)["input_ids"]]
    labels = processor.pad(processor.encode_target(texts))
    assert [processor.order[row[row != 0]].tolist() for row in labels] == ids
    assert processor.decode(labels) == texts

    expected = torch.full(labels.shape, -100)
    for row, tokens in enumerate(ids):
        expected[row, : len(tokens)] = torch.tensor(tokens)
    start = torch.full_like(expected[:, :1], end)
    read = torch.cat([start, expected[:, :-1].clamp(min=0)], dim=1)
    found = model(pixel_values=theirs, decoder_input_ids=read)
    target = np.concatenate([np.ones_like(labels[:, :1]), labels[:, :-1]], axis=1)
    with tf.GradientTape() as tape:
        logits = pipeline.model({"source": ours, "target": target})
        real = (labels != 0).astype("float32")
        chosen = tf.gather(tf.nn.log_softmax(logits), labels, batch_dims=2)
        loss = -tf.reduce_sum(chosen * real) / real.sum()
    added = len(tokenizer)
    theirs_here = found.logits.detach().numpy()[..., processor.order[processor.order < added]]
    here = ops.convert_to_numpy(logits)[..., processor.order < added]
    weights = (labels != 0)[..., None]
    assert np.abs(theirs_here).max() > 1
    np.testing.assert_allclose(here * weights, theirs_here * weights, atol=1e-4)

    model.zero_grad()
    their_loss = torch.nn.functional.cross_entropy(found.logits.flatten(0, 1), expected.flatten())
    their_loss.backward()
    assert abs(float(loss) - their_loss.item()) < 1e-4
    variables = {w.path.split("/", 1)[1]: w.value for w in pipeline.model.trainable_weights}
    gradients = tape.gradient(loss, variables)
    block, h = "decoder/stack/layer_1", model.decoder.transformer.h[1]
    fused = h.attn.c_attn.weight.grad.numpy()
    crossed = h.crossattention.c_attn.weight.grad.numpy()
    patches = model.encoder.embeddings.patch_embeddings.projection.weight.grad.numpy()
    for name, theirs_there in {
        f"{block}/self_attention/query/kernel": fused[:, :32],
        f"{block}/self_attention/value/kernel": fused[:, 64:],
        f"{block}/cross_attention/key/kernel": crossed[:, :32],
        f"{block}/feed_forward/output/kernel": h.mlp.c_proj.weight.grad.numpy(),
        "encoder/patches/kernel": patches.transpose(2, 3, 1, 0),
        "encoder/class_token": model.encoder.embeddings.cls_token.grad.numpy(),
    }.items():
        np.testing.assert_allclose(
            gradients[name].numpy(), theirs_there, atol=1e-4, rtol=1e-3, err_msg=name
        )


@pytest.mark.compares("greedy search", "beam search", of=("vit-gpt2",))
@pytest.mark.parametrize("beams", [1, 4])
def test_searches_find_what_transformers_finds(oracle, pipeline, beams):
    import torch

    _, model, tokenizer, _ = oracle
    found = images(60)
    _, theirs = their_pixels(pipeline, found)
    with torch.no_grad():
        ids = model.generate(
            theirs, num_beams=beams, max_length=16, no_repeat_ngram_size=2,
            forced_eos_token_id=model.config.eos_token_id,
        )  # fmt: skip
    expected = tokenizer.batch_decode(ids, skip_special_tokens=True)
    options = {"num_beams": beams, "max_length": 15, "no_repeat_ngram_size": 2}
    assert pipeline(found, **options) == expected
    assert len(set(expected)) > 10


@pytest.mark.compares("its own defaults", of=("vit-gpt2",))
def test_defaults_and_saving(oracle, pipeline, tmp_path):
    found = images(3)
    assert pipeline.task == "captioning" and pipeline.generation["num_beams"] == 3
    captions = pipeline(found)
    result = pipeline(found[0], return_alignment=True)
    assert result.text == captions[0] and result.alignment.shape[1] == 1 + 16
    pipeline.save(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again(found) == captions
    if oracle[1].config.encoder.hidden_size != oracle[1].config.decoder.n_embd:
        # A captioner with a projection between its parts has all the weights of the other.
        learns(again, found, tmp_path)


def learns(pipeline, found, folder):
    before = pipeline.score(found, LINES[:3]).sum()
    pipeline.model.optimizer.learning_rate = 0.01
    pipeline.model.run_eagerly = True  # a trace takes five times as long
    pairs = [(str(folder / f"{i}.png"), text) for i, text in enumerate(LINES[:3])]
    for image, (name, _) in zip(found, pairs, strict=True):
        image.save(name)
    pipeline.model.fit(pipeline.batches(pairs, batch_tokens=128), epochs=3, verbose=0)
    assert pipeline.score(found, LINES[:3]).sum() > before + 5


def test_what_is_refused(oracle, tmp_path):
    directory = oracle[0]
    with pytest.raises(DataError, match="of captioning, is not told its languages"):
        from_pretrained(directory, target="de")

    def broken(file, change, message):
        copy = shutil.copytree(directory, tmp_path / "copy")
        config = json.loads((copy / file).read_text())
        change(config)
        (copy / file).write_text(json.dumps(config))
        with pytest.raises(CheckpointError, match=message):
            from_pretrained(copy)
        shutil.rmtree(copy)

    broken("config.json", lambda c: c["encoder"].update(model_type="beit"), "to be a .*vit.*'beit'")
    broken("config.json", lambda c: c["encoder"].update(hidden_act="mish"), "Unknown hidden_act")
    broken("config.json", lambda c: c["decoder"].update(model_type="bert"), "to be a gpt2.*'bert'")
    broken(
        "config.json",
        lambda c: c["decoder"].update(scale_attn_by_inverse_layer_idx=True),
        "cannot do: scale_attn_by_inverse_layer_idx",
    )
    broken("config.json", lambda c: c.pop("decoder"), "does not describe a vision-encoder-decoder")
    broken("preprocessor_config.json", lambda c: c.update(resample=1), "bilinearly.*'resample': 1")
    broken("preprocessor_config.json", lambda c: c.update(size=64), "images of .64, 64., and")


def test_image_options_of_older_files():
    assert image_options({"size": 224, "resample": 2, "do_resize": True}, "f") == {
        "size": [224, 224],
        "resize": "stretch",
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    said = {"size": {"height": 8, "width": 4}, "do_normalize": False, "resample": 3}
    plain = image_options(said, "f")
    assert plain == {"size": [8, 4], "resize": "bicubic", "mean": [0.0] * 3, "std": [1.0] * 3}


def test_an_output_matrix_of_its_own_is_refused(oracle, tmp_path):
    copy = shutil.copytree(oracle[0], tmp_path / "copy")

    def change(tensors):
        tensors["decoder.lm_head.weight"] = tensors["decoder.transformer.wte.weight"] + 1

    change_tensors(copy, change)
    with pytest.raises(CheckpointError, match="whose output matrix is not its embedding"):
        from_pretrained(copy)
