"""The recipes as a user runs them, on a few lines of data and a tiny model."""

import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import s2s_zoo
from s2s_zoo.errors import DataError, S2SZooError
from tests.conftest import SENTENCES

RECIPES = Path(__file__).parent.parent / "recipes"


def recipe(task, script="train"):
    path = RECIPES / task / f"{script}.py"
    spec = importlib.util.spec_from_file_location(f"{task}_{script}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def float32_afterwards():
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def arguments(tmp_path):
    """Command line of the translation recipe with its own config made small."""
    data = tmp_path / "data"
    data.mkdir()
    for split, pairs in (("train", SENTENCES * 12), ("val", SENTENCES)):
        # One length, so one shape: tracing a step takes longer than training here.
        pairs = [pair for pair in pairs if len(pair[0].split()) in (4, 5)]
        for language, column in (("de", 0), ("en", 1)):
            lines = "".join(pair[column] + "\n" for pair in pairs)
            (data / f"{split}.{language}").write_text(lines, encoding="utf-8")
    config = json.loads((RECIPES / "translation" / "config.json").read_text(encoding="utf-8"))
    config["tokenizer"]["vocabulary_size"] = 40
    config["model"]["encoder"].update(embedding_dim=8, units=4)
    config["model"]["decoder"].update(embedding_dim=8, units=8)
    config["training"].update(epochs=3, batch_tokens=64, warmup_steps=2, precision="float32")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return [
        *("--data", str(data), "--source", "de", "--target", "en", "--config", str(path)),
    ]


def test_translation_trains_a_checkpoint_that_loads(arguments, tmp_path, capsys):
    output = tmp_path / "run"
    recipe("translation").main([*arguments, "--output", str(output), "--tensorboard"])
    printed = capsys.readouterr().out
    assert list((output / "logs").rglob("*tfevents*"))
    assert "bleu" in printed and "nrefs:1" in printed
    pipeline = s2s_zoo.from_pretrained(output / "best")
    assert pipeline.languages == ["de", "en"]
    assert isinstance(pipeline(SENTENCES[0][0]), str)


@pytest.fixture
def summarization(tmp_path):
    """Command line of the summarization recipe with its own config made small."""
    data = tmp_path / "chats"
    data.mkdir()
    pairs = [pair for pair in SENTENCES if len(pair[0].split()) in (4, 5)]
    lines = [f"{source}\t{target}\n" for source, target in pairs]
    (data / "train.tsv").write_text("".join(lines * 12), encoding="utf-8")
    (data / "valid.tsv").write_text("".join(lines), encoding="utf-8")
    (data / "train.ids").write_text("".join(f"x {2000 + i}\n" for i in range(12 * len(lines))))
    (data / "valid.ids").write_text("x 2020\n" * len(lines))
    config = json.loads((RECIPES / "summarization" / "config.json").read_text(encoding="utf-8"))
    config["tokenizer"]["sentencepiece"]["vocabulary_size"] = 40
    config["tokenizer"]["words"]["vocabulary_size"] = 12
    config["model"]["encoder"].update(embedding_dim=8, units=4)
    config["model"]["decoder"].update(embedding_dim=8, units=8)
    config["training"].update(epochs=1, batch_tokens=64, warmup_steps=2, precision="float32")
    path = tmp_path / "summarization.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return ["--data", str(data), "--config", str(path)]


def test_summarization_trains_and_goes_on_with_coverage(summarization, tmp_path, capsys):
    train = recipe("summarization")
    train.main([*summarization, "--since", "2012", "--output", str(tmp_path / "run")])
    printed = capsys.readouterr()
    assert "rougeL" in printed.out and "stemmer:porter" in printed.out
    copying = s2s_zoo.from_pretrained(tmp_path / "run" / "best")
    assert copying.task == "summarization" and copying.model.decoder.pointer
    covered = train.with_coverage(copying, 0.5)
    decoder = covered.model.get_config()["decoder"]
    assert decoder["attention"]["coverage"] and decoder["coverage_loss"] == 0.5
    source, target = SENTENCES[0]
    scores = [pipeline.score([source], [target]) for pipeline in (copying, covered)]
    np.testing.assert_allclose(*scores, atol=1e-5)  # it starts where it was
    more = ["--from", str(tmp_path / "run" / "best"), "--coverage", "1.0"]
    train.main([*summarization, *more, "--output", str(tmp_path / "covered")])
    tuned = s2s_zoo.from_pretrained(tmp_path / "covered" / "best")
    assert np.abs(tuned.model.decoder.attention.coverage_vector).max() > 0


def test_summarization_with_words_copies_unknown_ones(summarization, tmp_path):
    output = tmp_path / "run"
    lengths = ["--max-source-length", "9", "--max-target-length", "7"]
    recipe("summarization").main([*summarization, "--words", *lengths, "--output", str(output)])
    pipeline = s2s_zoo.from_pretrained(output / "best")
    assert pipeline.processor.extra_ids == pipeline.model.decoder.extra_ids == 64
    assert pipeline.processor.max_source_length == 9
    assert pipeline.processor.max_target_length == 7
    assert pipeline.processor.encode_target(["Zork"], sources=["ein Zork"])[0][0] >= 12


@pytest.mark.parametrize(
    ("change", "message"),
    [(["--data", "nowhere"], "Name the folder"), (["--since", "1990"], "line with a year")],
)
def test_summarization_without_its_data_is_one_line(summarization, tmp_path, change, message):
    (tmp_path / "chats" / "valid.ids").write_text("")
    with pytest.raises(DataError, match=message):
        recipe("summarization").main([*summarization, *change, "--output", str(tmp_path / "run")])


def test_summarization_says_when_data_is_not_that_of_the_scores(summarization, tmp_path):
    (tmp_path / "chats").rename(tmp_path / "samsum")
    train = recipe("summarization")
    args, config = train.parse(
        [*summarization, "--data", str(tmp_path / "samsum"), "--output", str(tmp_path / "run")]
    )
    with pytest.warns(UserWarning, match="not the file that scores are compared on"):
        train.load(args, config, "train")


class Killed(Exception):
    """Stands for a kill: raised in the middle of an epoch."""


def test_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(
    arguments, tmp_path, monkeypatch
):
    train = recipe("translation")
    path = Path(arguments[-1])
    config = json.loads(path.read_text(encoding="utf-8"))
    schedule = {"name": "linear", "slope": 0.05}
    config["training"].update(word_dropout=0.1, scheduled_sampling=schedule)
    path.write_text(json.dumps(config), encoding="utf-8")
    arguments = [*arguments, "--sampling", "0.3", "--accumulate", "2"]
    train.main([*arguments, "--output", str(tmp_path / "whole")])

    class Killer(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations >= self.at:
                raise Killed

    killer = Killer()
    killer.at = 8  # with two batches a step
    with monkeypatch.context() as patch:
        patch.setattr(train.shared, "extra_callbacks", lambda args: [killer])
        with pytest.raises(Killed):
            train.main([*arguments, "--output", str(tmp_path / "cut")])
    train.main([*arguments, "--output", str(tmp_path / "cut"), "--resume"])
    whole, cut = (load_file(tmp_path / run / "state.safetensors") for run in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    for name in whole:
        np.testing.assert_array_equal(whole[name], cut[name], err_msg=name)


def test_accumulated_batches_make_one_step_of_the_same_schedule(arguments, tmp_path):
    train = recipe("translation")
    command = [*arguments, "--output", str(tmp_path / "run")]
    _, config = train.parse([*command, "--accumulate", "4"])
    config["training"]["warmup_steps"] = 10
    four = train.shared.optimizer(config["training"], 400)
    del config["training"]["accumulate"]
    one = train.shared.optimizer(config["training"], 100)
    assert (four.gradient_accumulation_steps, one.gradient_accumulation_steps) == (4, None)
    assert four.ema_momentum**4 == pytest.approx(one.ema_momentum)
    for steps in (0, 5, 10, 60, 100):
        rates = [opt._learning_rate(n) for opt, n in ((four, 4 * steps), (one, steps))]
        assert float(rates[0]) == pytest.approx(float(rates[1]), abs=1e-9)
    with pytest.raises(DataError, match="--accumulate counts batches"):
        train.parse([*command, "--accumulate", "0"])


def test_a_preset_takes_the_place_of_the_model(arguments, tmp_path):
    train = recipe("translation")
    command = [*arguments, "--output", str(tmp_path / "run"), "--preset", "ssru-2019"]
    _, config = train.parse([*command, "--epochs", "2", "--dropout", "0.2"])
    wanted = s2s_zoo.preset("ssru-2019")
    for part in ("encoder", "decoder"):
        wanted["model"][part]["dropout"] = 0.2
    assert config["model"] == wanted["model"]
    assert config["training"]["learning_rate"] == wanted["training"]["learning_rate"]
    assert config["training"]["epochs"] == 2
    with pytest.raises(SystemExit):
        train.parse([*command, "--from", "translation-de-en"])


@pytest.mark.slow
def test_ladder_trains_each_preset_once_and_writes_a_table(
    arguments, tmp_path, capsys, monkeypatch
):
    ladder = recipe("translation", "ladder")
    path = Path(arguments[-1])
    config = json.loads(path.read_text(encoding="utf-8"))
    config["generation"]["num_beams"] = 1
    path.write_text(json.dumps(config), encoding="utf-8")
    names = ["sutskever-2014", "bahdanau-2015"]
    output = tmp_path / "ladder"
    command = [*arguments, "--output", str(output), "--epochs", "1", "--test", "val"]
    ladder.main([*command, "--presets", *names, "--num-beams", "2"])
    printed = capsys.readouterr().out
    written = (output / "ladder.md").read_text()
    assert written.strip() in printed and "nrefs:1" in printed
    rows = [json.loads((output / name / "row.json").read_text()) for name in names]
    for name, row in zip(names, rows, strict=True):
        trained = s2s_zoo.from_pretrained(output / name / "best")
        assert row["parameters"] == trained.model.count_params()
        assert row["minutes"] > 0 and row["sentences_per_second"] > 0
        assert f"| `{name}` | {row['parameters'] / 1e6:.1f} M |" in written
    monkeypatch.setattr(ladder, "train", None)  # what has a row is not trained again
    ladder.main([*command, "--presets", *names])
    with pytest.raises(SystemExit):
        ladder.main([*command, "--presets", "sutskever-2015"])


def test_a_finished_output_is_not_trained_over(arguments, tmp_path):
    train = recipe("translation")
    run = [*arguments, "--output", str(tmp_path / "run"), "--epochs", "1"]
    train.main(run)
    with pytest.raises(DataError, match="--resume"):
        train.main(run)


def test_fine_tuning_starts_from_a_checkpoint(arguments, tmp_path, tiny_pipeline):
    tiny_pipeline.save(tmp_path / "old")
    output = tmp_path / "new"
    recipe("translation").main(
        [*arguments, "--output", str(output), "--from", str(tmp_path / "old"), "--epochs", "1"]
    )
    tuned = s2s_zoo.from_pretrained(output / "best")
    assert tuned.model.get_config() == tiny_pipeline.model.get_config()
    moved = [
        np.abs(keras.ops.convert_to_numpy(new) - keras.ops.convert_to_numpy(old)).max()
        for new, old in zip(tuned.model.weights, tiny_pipeline.model.weights, strict=True)
    ]
    assert 0 < max(moved) < 0.2


def test_fine_tuning_few_weights_of_a_checkpoint_of_the_hub(arguments, tmp_path, hub_marian):
    train = recipe("translation")
    output = tmp_path / "new"
    command = [*arguments, "--output", str(output), "--from", str(hub_marian), "--lora", "2"]
    train.main([*command, "--epochs", "1"])
    tuned, old = s2s_zoo.from_pretrained(output / "best"), s2s_zoo.from_pretrained(hub_marian)
    changed = {
        weight.path.split("/", 1)[1]
        for weight, before in zip(tuned.model.weights, old.model.get_weights(), strict=True)
        if not np.array_equal(keras.ops.convert_to_numpy(weight), before)
    }
    # From zero, the second of the two factors moves first, and the moving average with it.
    assert changed and all("query" in name or "value" in name for name in changed)
    with pytest.raises(SystemExit):
        train.main([*arguments, "--output", str(tmp_path / "x"), "--lora", "2"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--source", "cs"], "neither train.cs and train.en"),
        (["--data", "nowhere"], "Name the folder"),
    ],
)
def test_missing_data_is_one_clear_line(arguments, tmp_path, change, message):
    with pytest.raises(S2SZooError, match=message):
        recipe("translation").main([*arguments, *change, "--output", str(tmp_path / "run")])


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
    network.save_weights(weights)
    return [
        *("--data", str(data), "--encoder-weights", str(weights), "--config", str(path)),
        *("--output", str(tmp_path / "run")),
    ]


@pytest.mark.slow
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
    assert moved and all("_12" in path or "_13" in path for path in moved)
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
