"""The speech recipe: strings of digits are made, and models learn from them."""

import json
import zipfile

import keras
import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.protocol.errors import DataError
from tests.recipes.conftest import RECIPES, recipe
from tests.tiny_whisper import sound

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")
pytest.importorskip("jiwer")

TAKES = (0, 5, 12)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Ten digits by two speakers, each a tone of its own."""
    folder = tmp_path_factory.mktemp("recordings")
    with zipfile.ZipFile(folder / "recordings.zip", "w") as archive:
        for digit in range(10):
            for number, speaker in enumerate(("ann", "theo")):
                for take in TAKES:
                    name = folder / f"{digit}_{speaker}_{take}.wav"
                    samples = sound(0.05 + 0.001 * take, digit + 10 * number, 8000)
                    soundfile.write(name, samples, 8000)
                    archive.write(name, f"recordings/{name.name}")
    return folder / "recordings.zip"


@pytest.fixture(scope="module")
def data(archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "digits"
    more = ["--strings", "8", "--held-out-strings", "4"]
    recipe("speech", "digits").main(["--recordings", str(archive), "--output", str(folder), *more])
    return folder


def test_splits_share_no_recording_and_no_held_out_speaker(archive):
    digits = recipe("speech", "digits")
    takes, rate = digits.read_takes(archive)
    assert (len(takes), rate) == (60, 8000)
    splits = digits.split(takes, "theo")
    found = {name: {(x.speaker, x.number) for x in own} for name, own in splits.items()}
    assert found == {
        "train": {("ann", 12)},
        "valid": {("ann", 5)},
        "test-takes": {("ann", 0)},
        "test-speaker": {("theo", take) for take in TAKES},
    }
    with pytest.raises(DataError, match="--held-out is one of ann, theo. Received: bob"):
        digits.split(takes, "bob")


def test_a_string_is_what_its_words_say(archive):
    digits = recipe("speech", "digits")
    takes, rate = digits.read_takes(archive)
    speakers = digits.by_speaker([take for take in takes if take.number == 12])
    strings = [digits.joined(speakers, rate, np.random.default_rng(seed)) for seed in range(40)]
    counts = {len(words.split()) for _, words in strings}
    assert counts == set(range(1, 8))
    for samples, words in strings:
        assert set(words.split()) <= set(digits.WORDS) and np.abs(samples).max() <= 1
        spoken = 0.062 * len(words.split())
        assert spoken < len(samples) / rate < 0.4 + len(words.split()) * (0.062 / 0.9 + 0.5)
    again, _ = digits.joined(speakers, rate, np.random.default_rng(3))
    np.testing.assert_array_equal(again, strings[3][0])


def test_the_data_are_files_and_tables(data):
    names = ("train", "valid", "test-takes", "test-speaker")
    for name, count in zip(names, (8, 4, 4, 4), strict=True):
        pairs = s2s_zoo.read_pairs(data / f"{name}.tsv")
        assert len(pairs) == count
        assert all(soundfile.info(data / file).samplerate == 8000 for file, _ in pairs)


def test_what_cannot_be_made_is_named(archive, data, tmp_path):
    main = recipe("speech", "digits").main
    with pytest.raises(DataError, match="is not empty. Name a folder of its own"):
        main(["--recordings", str(archive), "--output", str(data)])
    (tmp_path / "there").mkdir()
    with pytest.raises(DataError, match="named DIGIT_SPEAKER_TAKE.wav. Received: 0"):
        main(["--recordings", str(tmp_path / "there"), "--output", str(tmp_path / "out")])
    with pytest.raises(DataError, match="is no folder and no .zip"):
        main(["--recordings", str(data / "train.tsv"), "--output", str(tmp_path / "out")])


@pytest.fixture
def arguments(data, tmp_path):
    config = json.loads((RECIPES / "speech" / "config.json").read_text(encoding="utf-8"))
    config["tokenizer"].update(vocabulary_size=24, model_type="char")
    config["processor"].update(mels=8, max_target_length=60)
    config["model"]["encoder"].update(mels=8, units=4, layers=2)
    config["model"]["decoder"].update(embedding_dim=6, units=8)
    config["model"]["decoder"]["attention"].update(units=5)
    config["training"].update(
        epochs=1, batch_tokens=128, max_shapes=1, warmup_steps=2, precision="float32", valid_size=2
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return ["--data", str(data), "--config", str(path), "--output", str(tmp_path / "run")]


@pytest.mark.learns
def test_a_listener_learns_from_recordings(arguments, data, tmp_path, capsys):
    recipe("speech").main(arguments)
    printed = capsys.readouterr().out
    assert "wer" in printed and "transcribe --model" in printed
    transcribe = s2s_zoo.from_pretrained(tmp_path / "run" / "best")
    config = transcribe.model.get_config()
    assert config["decoder"]["attention"]["name"] == "location_sensitive"
    file, _ = s2s_zoo.read_pairs(data / "valid.tsv")[0]
    assert isinstance(transcribe(data / file), str)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert np.isfinite(report["best"]["perplexity"]) and "wer" in report["best"]


@pytest.mark.learns
@pytest.mark.parametrize("flags", [["--lora", "2"], ["--freeze-encoder"]])
def test_a_whisper_is_tuned_by_the_same_command(flags, arguments, tiny_whisper, data, tmp_path):
    before = s2s_zoo.from_pretrained(tiny_whisper)
    more = ["--from", str(tiny_whisper), "--language", "de", "--seconds", "60", *flags]
    pairs = s2s_zoo.read_pairs(data / "train.tsv")
    short = [x for x in pairs if soundfile.info(data / x[0]).duration <= 1] or pairs[:1]
    folder = tmp_path / "short"
    folder.mkdir()
    for split, times in (("train", 15), ("valid", 1)):
        lines = "".join(f"{data / file}\tone two\n" for file, _ in short[:2])
        (folder / f"{split}.tsv").write_text(times * lines)
    arguments[arguments.index("--data") + 1] = str(folder)
    train = recipe("speech")
    train.FINE_TUNING["warmup_steps"] = 1
    train.main([*arguments, *more, "--learning-rate", "0.01", "--epochs", "1"])
    after = s2s_zoo.from_pretrained(tmp_path / "run" / "best")
    weights = [
        {w.path: keras.ops.convert_to_numpy(w) for w in x.model.weights} for x in (before, after)
    ]
    moved = {x for x, value in weights[0].items() if not np.array_equal(value, weights[1][x])}
    if "--lora" in flags:
        assert moved and all("query" in path or "value" in path for path in moved)
    else:
        assert moved and not any(path.startswith("encoder") for path in moved)
    assert after.task == "transcription"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--lora", "2"], "adapt a checkpoint"),
        (["--freeze-encoder"], "adapt a checkpoint"),
        (["--from", "x", "--lora", "2", "--freeze-encoder"], "either --lora or"),
        (["--from", "x", "--attention", "bahdanau"], "for a new model"),
    ],
)
def test_flags_that_do_not_go_together(flags, message, arguments, capsys):
    with pytest.raises(SystemExit):
        recipe("speech").main([*arguments, *flags])
    assert message in capsys.readouterr().err


def test_fine_tuning_has_settings_of_its_own_where_no_flag_says_otherwise(arguments):
    train = recipe("speech")
    _, new = train.parse(arguments)
    _, tuned = train.parse([*arguments, "--from", "x", "--epochs", "9"])
    _, lora = train.parse([*arguments, "--from", "x", "--lora", "2", "--learning-rate", "0.5"])
    _, adapted = train.parse([*arguments, "--from", "x", "--lora", "2"])
    rates = [x["training"]["learning_rate"] for x in (new, tuned, lora, adapted)]
    assert rates == [0.001, 1e-4, 0.5, 1e-3]
    assert [x["training"]["epochs"] for x in (new, tuned, lora)] == [1, 9, 3]
    assert tuned["training"]["ema"] < new["training"]["ema"]  # few steps: it would keep the first


def test_data_that_is_not_there(arguments, tmp_path):
    arguments[arguments.index("--data") + 1] = str(tmp_path)
    with pytest.raises(DataError, match="train.tsv is missing. Name the folder"):
        recipe("speech").main(arguments)
