import json
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import s2s_zoo
from s2s_zoo.protocol.errors import DataError
from tests.recipes.conftest import RECIPES, recipe


@pytest.fixture
def captioning(tmp_path, photos):
    """Command line of the captioning recipe with its own config made small, on drawn photos."""
    folder, captions = photos
    names = [Path(name).name for name, _ in captions]
    data = tmp_path / "data"
    data.mkdir()
    (data / "images").symlink_to(folder)
    lines = [
        f"{name}\t{text} .\n"
        for name, (_, texts) in zip(names, captions, strict=True)
        for text in texts
    ]
    (data / "captions.tsv").write_text("".join(lines))
    (data / "train.txt").write_text("\n".join(names))
    (data / "dev.txt").write_text("\n".join(names[:3]))
    config = json.loads((RECIPES / "captioning" / "config.json").read_text(encoding="utf-8"))
    config["tokenizer"]["vocabulary_size"] = 17
    config["processor"].update(size=[64, 96], max_target_length=12)
    config["model"]["encoder"].update(size=[64, 96], alpha=0.25, projection=6)
    config["model"]["decoder"].update(embedding_dim=6, units=8)
    config["training"].update(batch_tokens=64, max_shapes=1, precision="float32")
    for phase in config["phases"].values():
        phase.update(epochs=1, warmup_steps=2)
    config["phases"]["scst"].update(batch_size=6, draws=2)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    weights = tmp_path / "mobilenet.weights.h5"
    network = keras.applications.MobileNet((64, 96, 3), 0.25, include_top=False, weights=None)
    for weight in network.weights:
        if weight.name == "kernel":  # else nothing of a photo, and no gradient, comes through
            weight.assign(2.5 * weight)
    network.save_weights(weights)
    return [
        *("--data", str(data), "--encoder-weights", str(weights), "--config", str(path)),
        *("--output", str(tmp_path / "run")),
    ]


@pytest.mark.learns
def test_captioning_trains_in_phases(captioning, tmp_path, photos, capsys):
    pytest.importorskip("pycocoevalcap")
    train = recipe("captioning")
    train.main([*captioning, "--phases", "frozen", "tuned", "scst"])
    printed = capsys.readouterr()
    assert "bleu_4" in printed.out and "epoch 1 - reward: " in printed.err
    phases = {name: load_file(tmp_path / "run" / name / "best" / "model.safetensors")
              for name in ("frozen", "tuned", "scst")}  # fmt: skip
    network = keras.applications.MobileNet((64, 96, 3), 0.25, include_top=False, weights=None)
    network.load_weights(tmp_path / "mobilenet.weights.h5")
    given = {weight.path: keras.ops.convert_to_numpy(weight) for weight in network.weights}
    for path, value in given.items():
        np.testing.assert_array_equal(phases["frozen"][f"encoder/{path}"], value)
    moved = {
        path
        for path in given
        if not np.array_equal(phases["tuned"][f"encoder/{path}"], given[path])
    }
    trained = {path for path in given if "_12" in path or "_13" in path}
    assert moved == {path for path in trained if "moving" not in path}
    for before, after in (("frozen", "tuned"), ("tuned", "scst")):
        name = "decoder/embedding/embeddings"
        assert not np.array_equal(phases[before][name], phases[after][name])
    caption = s2s_zoo.from_pretrained(tmp_path / "run" / "best")
    assert isinstance(caption(photos[1][0][0]), str)
    # A finished run goes on to nothing.
    train.main([*captioning, "--phases", "frozen", "--resume"])


def test_captioning_without_its_data_is_one_line(captioning, tmp_path):
    (tmp_path / "data" / "dev.txt").write_text("nobody.jpg")
    with pytest.raises(DataError, match="nobody.jpg, which has no line"):
        recipe("captioning").main(captioning)
    (tmp_path / "data" / "dev.txt").unlink()
    with pytest.raises(DataError, match="dev.txt is missing"):
        recipe("captioning").main(captioning)


def test_the_network_of_an_encoder_can_learn_more_slowly():
    train = recipe("captioning")
    slow, fast = keras.Variable([1.0], name="slow"), keras.Variable([1.0], name="fast")
    optimizer = train.TwoRates(0.1)
    optimizer.slow, optimizer.factor = {slow.path}, 0.25
    optimizer.apply([keras.ops.ones(1), keras.ops.ones(1)], [slow, fast])
    steps = [1 - float(x.numpy()[0]) for x in (slow, fast)]
    assert steps[0] == pytest.approx(0.25 * steps[1], rel=1e-4) and steps[1] > 0.05
