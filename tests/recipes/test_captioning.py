import json
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import s2s_zoo
from s2s_zoo.decoders import DECODERS
from s2s_zoo.encoders.cnn import CNNEncoder
from s2s_zoo.layers.config import build_from
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
    config["phases"]["tuned"]["augment"] = {"crop": 0.7, "colour": 0.2}
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


@pytest.fixture
def comparing(captioning, tmp_path, monkeypatch):
    """The script that compares decoders, which trains in this process, and its command line."""
    script = recipe("captioning", "decoders")

    def run(command, check):
        recipe("captioning").main(command[2:])
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(script.subprocess, "run", run)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["training"]["valid_size"] = 1  # of three
    path.write_text(json.dumps(config), encoding="utf-8")
    top_down = {"name": "top_down", "embedding_dim": 6, "units": 8}
    top_down["attention"] = {"name": "bahdanau", "units": 5}
    transformer = {"name": "transformer", "embedding_dim": 8, "layers": 1, "heads": 2}
    candidates = {
        "fine": {"encoder": {"finer": "conv_pw_11_relu"}, "decoder": top_down},
        "fast": {"decoder": {**transformer, "hidden_dim": 9}, "frozen": {"learning_rate": 0.01}},
    }
    (tmp_path / "candidates.json").write_text(json.dumps(candidates), encoding="utf-8")
    return script, [*captioning, "--candidates", str(tmp_path / "candidates.json")]


@pytest.mark.learns
def test_decoders_are_compared_on_the_same_features(comparing, tmp_path, capsys, monkeypatch):
    pytest.importorskip("pycocoevalcap")
    script, command = comparing
    script.main([*command, "--minutes", "0.001", "--num-beams", "2"])
    output = tmp_path / "run"
    written = (output / "decoders.md").read_text()
    assert written.strip() in capsys.readouterr().out
    for name, finer in (("fine", "conv_pw_11_relu"), ("fast", None)):
        row = json.loads((output / name / "row.json").read_text())
        model = s2s_zoo.from_pretrained(output / name / "best").model
        assert model.encoder.finer == finer
        assert row["parameters"] == model.decoder.count_params()
        assert row["photos"] == 2 and row["epochs"] == 1
        assert set(row["scores"]) == {"bleu_1", "bleu_4", "cider"}
        assert f"| `{name}` | " in written
    config = json.loads((output / "fast" / "config.json").read_text())
    assert config["phases"]["frozen"]["learning_rate"] == 0.01
    # One map, and two of the same network.
    assert len(list((output / "features").glob("*.npy"))) == 2
    monkeypatch.setattr(script, "train", None)  # what has a row is not trained again
    script.main([*command, "--minutes", "9"])


def test_bad_comparisons_are_one_line(comparing, tmp_path, capsys):
    script, command = comparing
    for flags, message in (
        (["--minutes", "0"], "more than 0"),
        (["--minutes", "1", "--decoders", "slow"], "slow is none of fine, fast"),
    ):
        with pytest.raises(SystemExit):
            script.main([*command, *flags])
        assert message in capsys.readouterr().err
    path = tmp_path / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["training"]["valid_size"] = 3
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(DataError, match="All 3 photos of dev.txt choose epochs"):
        script.main([*command, "--minutes", "1"])


def test_the_candidates_can_be_made():
    folder = RECIPES / "captioning"
    base = json.loads((folder / "efficientnet_lite0.json").read_text(encoding="utf-8"))
    candidates = json.loads((folder / "decoders.json").read_text(encoding="utf-8"))
    script = recipe("captioning", "decoders")
    assert {"show_attend_tell", "transformer_2", "top_down"} <= set(candidates)
    encoders = set()
    for candidate in candidates.values():
        config = script.config_of(base, candidate)
        build_from(DECODERS, {**config["model"]["decoder"], "vocabulary_size": 9}, "decoder")
        encoders.add(json.dumps({**config["model"]["encoder"], "size": [64, 64]}))
    for encoder in map(json.loads, encoders):
        del encoder["name"]
        encoder = CNNEncoder(**encoder)
        encoder.build()
        encoder.freeze(base["phases"]["tuned"]["train_from"])
