import json

import numpy as np
import pytest

import s2s_zoo
from s2s_zoo.protocol.errors import DataError
from tests.conftest import SENTENCES
from tests.recipes.conftest import RECIPES, recipe


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
    config["training"].update(
        epochs=1, batch_tokens=64, max_shapes=1, warmup_steps=2, precision="float32"
    )
    path = tmp_path / "summarization.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return ["--data", str(data), "--config", str(path)]


@pytest.mark.learns
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


def test_a_model_begins_with_the_encoder_of_a_translator(summarization, tmp_path, tiny_pipeline):
    train = recipe("summarization")
    tiny_pipeline.save(tmp_path / "translator")
    begins = ["--encoder-from", str(tmp_path / "translator"), "--output", str(tmp_path / "run")]
    args, config = train.parse([*summarization, *begins])
    made = train.with_encoder(args, config)
    assert made.task == "summarization" and made.model.decoder.pointer
    for new, old in zip(
        made.model.encoder.weights, tiny_pipeline.model.encoder.weights, strict=True
    ):
        np.testing.assert_array_equal(new, old)
    text = SENTENCES[0][0]
    assert made.processor.encode_source([text])[0].tolist() == list(
        tiny_pipeline.processor.encode_source([text])[0]
    )
    assert isinstance(made(text, faithful=False, extract=False), str)
    with pytest.raises(SystemExit):
        train.parse([*summarization, *begins, "--words"])
    args.encoder_from = "captioning-en"
    with pytest.raises(DataError, match="that reads text"):
        train.with_encoder(args, config)


@pytest.mark.learns
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
