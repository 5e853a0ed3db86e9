"""`s2s-zoo compare` and `evaluate --breakdown`."""

import json

import pytest

from s2s_zoo.apps.cli.main import main


@pytest.fixture
def data(tmp_path, sentences):
    path = tmp_path / "data.tsv"
    path.write_text("".join(f"{source}\t{target}\n" for source, target in sentences))
    return path


@pytest.fixture
def files(tmp_path, sentences):
    """What two systems wrote: one is right, the other mute."""
    right, mute = tmp_path / "right.txt", tmp_path / "mute.txt"
    right.write_text("".join(f"{target}\n" for _, target in sentences))
    mute.write_text("no\n" * len(sentences))
    return str(right), str(mute)


def test_compare(tiny_checkpoint, tiny_pipeline, data, files, sentences, capsys):
    sources = [source for source, _ in sentences]
    options = ["--data", str(data), "--samples", "50", "--show", "2"]
    systems = [str(tiny_checkpoint), *files]
    assert main(["compare", *systems, *options, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["task"], report["sources"], report["samples"]) == ("translation", 6, 50)
    assert [x["metric"] for x in report["metrics"]] == ["bleu", "chrf++"]
    of_chrf = report["metrics"][1]["systems"]
    assert [x["name"] for x in of_chrf] == systems
    assert of_chrf[1]["value"] == pytest.approx(100) and of_chrf[0]["p_value"] is None
    assert len(report["differ"]) == 2
    written = dict(zip(sources, tiny_pipeline(sources), strict=True))
    for sentence in report["differ"]:
        assert sentence["answers"][systems[0]] == written[sentence["source"]]
        assert sentence["answers"][files[0]] == sentence["reference"]
        assert sentence["scores"][files[0]] > sentence["scores"][files[1]]


def test_files_alone_as_a_table(data, files, capsys):
    assert main(["compare", *files, "--data", str(data), "--samples", "50"]) == 0
    out = capsys.readouterr().out
    assert "6 sources, 50 resamples" in out and "chrf++  nrefs:1" in out
    assert f"{files[1]}" in out and " p 0.020 *" in out


@pytest.mark.parametrize("names", [["a"], ["a", "a"]])
def test_two_systems_at_least(names, data, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["compare", *names, "--data", str(data)])
    assert caught.value.code == 2
    assert "expected two systems or more, and none twice" in capsys.readouterr().err


def test_a_file_has_a_line_for_each_source(data, files, tmp_path, capsys):
    short = tmp_path / "short.txt"
    short.write_text("one\n")
    assert main(["compare", files[0], str(short), "--data", str(data)]) == 1
    assert "a line for each of the 6 sources" in capsys.readouterr().err


def test_breakdown(tiny_checkpoint, data, capsys):
    options = ["--model", str(tiny_checkpoint), "--data", str(data), "--breakdown"]
    assert main(["evaluate", *options, "--train", str(data), "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)["breakdown"]
    (length,) = (part for part in parts if part["kind"] == "length")
    assert (length["name"], length["number"], length["unit"]) == ("0-9", 6, "chrf")
    assert sum(part["number"] for part in parts if part["kind"] == "words") > 6
    assert main(["evaluate", *options]) == 0
    assert "length 0-9" in capsys.readouterr().out
