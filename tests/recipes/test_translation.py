import gzip
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

import s2s_zoo
from s2s_zoo.layers.kernels import softmax as kernels_softmax
from s2s_zoo.protocol.errors import DataError, S2SZooError
from tests.conftest import SENTENCES
from tests.recipes.conftest import RECIPES, recipe


@pytest.fixture
def arguments(tmp_path):
    """Command line of the translation recipe with its own config made small."""
    data = tmp_path / "data"
    data.mkdir()
    for split, pairs in (("train", SENTENCES * 12), ("val", SENTENCES)):
        pairs = [pair for pair in pairs if len(pair[0].split()) in (4, 5)]
        for language, column in (("de", 0), ("en", 1)):
            lines = "".join(pair[column] + "\n" for pair in pairs)
            (data / f"{split}.{language}").write_text(lines, encoding="utf-8")
    config = json.loads((RECIPES / "translation" / "config.json").read_text(encoding="utf-8"))
    config["tokenizer"]["vocabulary_size"] = 40
    config["model"]["encoder"].update(embedding_dim=8, units=4)
    config["model"]["decoder"].update(embedding_dim=8, units=8)
    # One shape: tracing a step takes longer than training here.
    config["training"].update(
        epochs=3, batch_tokens=64, max_shapes=1, warmup_steps=2, precision="float32"
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return [
        *("--data", str(data), "--source", "de", "--target", "en", "--config", str(path)),
    ]


def test_a_table_of_ones_own_is_parted_into_pairs_that_train_and_that_choose(tmp_path):
    train = recipe("translation")
    path = tmp_path / "mine.csv"
    rows = "".join(f"{i};word {i};Wort {i}\n" for i in range(30))
    path.write_text("id;en;de\n" + rows, encoding="utf-8")
    told = ["--source", "de", "--target", "en", "--output", str(tmp_path / "run")]
    args, _ = train.parse(["--data", str(path), *told])
    found = {split: train.load(args, split) for split in ("train", "valid")}
    assert found["valid"] == [(f"Wort {i}", f"word {i}") for i in (9, 19, 29)]
    assert len(found["train"]) == 27 and not {*found["train"]} & {*found["valid"]}
    (tmp_path / "mine.tsv").write_text("a\tb\n" * 3, encoding="utf-8")
    args, _ = train.parse(["--data", str(tmp_path / "mine.tsv"), *told])
    with pytest.raises(DataError, match="at least 10 pairs"):
        train.load(args, "train")


@pytest.mark.parametrize("name", ["mine.tsv", "mine.tsv.gz", "mine.txt", "folder"])
@pytest.mark.parametrize("header", ["", "Deutsch\tEnglisch\n"])
def test_the_columns_of_a_tsv_are_those_of_the_languages_with_a_header_and_without(
    tmp_path, name, header
):
    rows = [f"Wort {i}\tword {i}\n" for i in range(10)]
    written = (header + "".join(rows)).encode()
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        for split in ("train", "valid"):
            (path / f"{split}.tsv.gz").write_bytes(gzip.compress(written))
    else:
        path.write_bytes(gzip.compress(written) if name.endswith("gz") else written)
    train = recipe("translation")
    told = ["--data", str(path), "--source", "en", "--target", "de", "--output", "x"]
    args, _ = train.parse([*told, *([] if header else ["--columns", "de", "en"])])
    assert train.load(args, "train")[0] == ("word 0", "Wort 0")


def test_data_sets_of_the_hub_have_a_split_for_each_purpose(monkeypatch, tmp_path):
    train = recipe("translation")
    read = {}
    sources = train.sources
    monkeypatch.setattr(sources, "with_split", lambda name, splits: f"{name}:{splits[0]}")
    monkeypatch.setattr(
        train, "read_pairs", lambda name, columns: read.setdefault(name, [("a", "b")] * 10)
    )
    told = ["--source", "de", "--target", "en", "--output", str(tmp_path / "run")]
    args, _ = train.parse(["--data", "hf://datasets/org/pairs/de-en", *told])
    assert len(train.load(args, "train")) == len(train.load(args, "valid")) == 10
    names = [f"hf://datasets/org/pairs/de-en:{split}" for split in ("train", "validation")]
    assert list(read) == names
    args, _ = train.parse(["--data", f"{names[0]}[:5%]", *told])
    assert len(train.load(args, "valid")) == 1


@pytest.mark.learns
def test_translation_trains_a_checkpoint_that_loads(arguments, tmp_path, capsys):
    output = tmp_path / "run"
    recipe("translation").main([*arguments, "--output", str(output), "--tensorboard"])
    captured = capsys.readouterr()
    printed = captured.out
    assert list((output / "logs").rglob("*tfevents*"))
    assert "bleu" in printed and "nrefs:1" in printed and "report.html" in printed
    told = [line for line in captured.err.splitlines() if line.startswith("epoch ")]
    assert [line[:10] for line in told] == ["epoch 1/3:", "epoch 2/3:", "epoch 3/3:"]
    assert all("tokens/s" in line and "best bleu" in line for line in told)
    assert " left" in told[0] and " left" not in told[2]
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert [row["epoch"] for row in report["progress"]] == [1, 2, 3]
    assert [len(row["samples"]) for row in report["samples"]] == [3, 3, 3]
    looked = report["looked"][0]
    assert len(looked["weights"]) == len(looked["target"])
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "Looked at" in page and report["samples"][0]["samples"][0][2] in page
    pipeline = s2s_zoo.from_pretrained(output / "best")
    assert pipeline.languages == ["de", "en"]
    assert isinstance(pipeline(SENTENCES[0][0]), str)


@pytest.mark.learns
@pytest.mark.parametrize("execution", ["auto", "plain", "xla"])
def test_execution_is_that_of_the_flag(execution, arguments, tmp_path, monkeypatch, capsys):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("kernels of TensorFlow")
    called, compiled = [], []
    cross_entropy, compile_model = kernels_softmax.cross_entropy, s2s_zoo.Seq2Seq.compile
    monkeypatch.setattr(
        kernels_softmax,
        "cross_entropy",
        lambda *args: called.append(args) or cross_entropy(*args),
    )
    monkeypatch.setattr(
        s2s_zoo.Seq2Seq,
        "compile",
        lambda *args, jit_compile, **options: (
            compiled.append(jit_compile) or compile_model(*args, jit_compile=jit_compile, **options)
        ),
    )
    output = tmp_path / "run"
    command = [*arguments, "--output", str(output), "--epochs", "1", "--execution", execution]
    recipe("translation").main([*command, "--precision", "auto"])
    assert compiled == [execution == "xla"] and bool(called) == (execution != "plain")
    assert f" {s2s_zoo.fastest_precision()} on tensorflow" in capsys.readouterr().err
    assert s2s_zoo.from_pretrained(output / "best")(SENTENCES[0][0]) is not None


class Killed(Exception):
    """Stands for a kill: raised in the middle of an epoch."""


@pytest.mark.learns
def test_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(
    arguments, tmp_path, monkeypatch
):
    train = recipe("translation")
    path = Path(arguments[-1])
    config = json.loads(path.read_text(encoding="utf-8"))
    schedule = {"name": "linear", "slope": 0.05}
    config["training"].update(word_dropout=0.1, scheduled_sampling=schedule)
    path.write_text(json.dumps(config), encoding="utf-8")
    arguments = [*arguments, "--sampling", "0.3", "--accumulate", "2", "--loss-parts", "2"]
    train.main([*arguments, "--output", str(tmp_path / "whole")])

    class Killer(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations >= self.at:
                raise Killed

    killer = Killer()
    killer.at = 8  # with two batches a step
    with monkeypatch.context() as patch:
        patch.setattr(train.shared, "extra_callbacks", lambda args, generation: [killer])
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


def test_no_parts_of_a_loss_are_refused(arguments, tmp_path):
    train = recipe("translation")
    with pytest.raises(DataError, match="number of parts, from 1.*Received: 0"):
        train.parse([*arguments, "--output", str(tmp_path / "run"), "--loss-parts", "0"])


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


@pytest.mark.learns
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


@pytest.mark.learns
def test_a_finished_output_is_not_trained_over(arguments, tmp_path):
    train = recipe("translation")
    run = [*arguments, "--output", str(tmp_path / "run"), "--epochs", "1"]
    train.main(run)
    with pytest.raises(DataError, match="--resume"):
        train.main(run)


@pytest.mark.parametrize(("flags", "rate"), [([], 0.0005), (["--learning-rate", "0.1"], 0.1)])
def test_a_checkpoint_is_tuned_gently(arguments, tmp_path, monkeypatch, flags, rate):
    train, seen = recipe("translation"), {}
    monkeypatch.setattr(
        train.shared,
        "train",
        lambda args, training, *rest, **options: seen.update(training=training, **options),
    )
    monkeypatch.setattr(train.s2s_zoo, "from_pretrained", lambda name: None)
    train.main([*arguments, "--output", str(tmp_path / "run"), "--from", "x", *flags])
    assert seen["training"]["learning_rate"] == rate
    assert seen["optimizer"] is train.tuning.gentle


@pytest.mark.learns
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


@pytest.mark.learns
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


@pytest.mark.learns
def test_a_training_that_is_interrupted_says_where_and_goes_on(arguments, tmp_path, capsys):
    command = [*arguments, "--output", str(tmp_path / "run")]
    train = recipe("translation")

    def interrupted_in(epoch, *more):
        def begins(self, number, logs=None):
            if number == epoch:
                raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.setattr(train.shared.TrainingState, "on_epoch_begin", begins)
            train.shared.run(lambda: train.main([*command, *more]))
        assert ended.value.code == 130
        return capsys.readouterr().err.splitlines()[-1]

    wanted = "train.py: stopped: {}. Go on with the same command and --resume."
    assert interrupted_in(0) == wanted.format("no epoch was done")
    assert interrupted_in(2) == wanted.format("epoch 2 of 3 is the last that is kept")
    train.main([*command, "--resume"])
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert [row["epoch"] for row in report["epochs"]] == [1, 2, 3]
