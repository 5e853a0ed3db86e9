"""Every flag of a search reaches the search, from every command that has it."""

import json

import pytest

from s2s_zoo.apps.cli.main import main
from s2s_zoo.apps.cli.search import FLAGS, METAVARS
from s2s_zoo.generation.options import EVERY, OPTIONS
from s2s_zoo.pipeline.pipeline import Pipeline

VALUES = {
    "num_beams": 3,
    "length_penalty": -0.5,
    "length_penalty_form": "gnmt",
    "coverage_penalty": 0.25,
    "num_beam_groups": 3,
    "diversity_penalty": 0.75,
    "no_repeat_ngram_size": 2,
    "repetition_penalty": 1.5,
    "end_growth": 1.25,
    "end_growth_start": 3,
    "min_length": 4,
    "max_length": 12,
    "temperature": 0.5,
    "top_k": 6,
    "top_p": 0.75,
    "min_p": 0.125,
    "typical_p": 0.5,
    "epsilon_cutoff": 0.25,
    "eta_cutoff": 0.0625,
    "seed": 7,
}
COMMANDS = {
    "translate": ("ein hund",),
    "summarize": ("ein hund",),
    "caption": ("a.jpg",),
    "evaluate": ("--data", "data.tsv"),
    "bulk": ("in.txt", "--output", "out"),
    "serve": ("--port", "0"),
    "export": ("exported",),
}


def flag(name):
    return f"--{name.replace('_', '-')}"


@pytest.fixture
def searched(monkeypatch, tmp_path):
    """The options of the calls of pipelines; a server and an export are as if called once."""
    seen = []

    def call(self, sources, progress=None, **options):
        if sources != []:  # with none it only looks at the options
            seen.append(options)
        return list(sources)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.tsv").write_text("ein hund\ta dog\n")
    (tmp_path / "in.txt").write_text("ein hund\n")
    monkeypatch.setattr(Pipeline, "__call__", call)

    from s2s_zoo.apps.exporting import export
    from s2s_zoo.apps.serving import server

    def serve(served, *how):
        seen.append(served.pipeline.generation)

    monkeypatch.setattr(server, "serve", serve)
    monkeypatch.setattr(
        export, "export", lambda pipeline, directory, format, **options: seen.append(options)
    )
    return seen


def run(command, checkpoint, *flags):
    return main([command, *COMMANDS[command], "--model", str(checkpoint), *flags])


@pytest.mark.parametrize("strategy", EVERY)
@pytest.mark.parametrize("command", COMMANDS)
def test_flags_reach_the_search(command, strategy, searched, tiny_checkpoint, capsys):
    names = [name for name in FLAGS if strategy in OPTIONS[name].strategies]
    if strategy == "sample" and command in ("translate", "summarize", "caption", "evaluate"):
        names.append("seed")
    expected = {"strategy": strategy} | {n: VALUES[n] for n in names if n != "strategy"}
    flags = [f"{flag(name)}={value}" for name, value in expected.items()]
    assert run(command, tiny_checkpoint, *flags) == 0
    [found] = searched
    assert expected.items() <= found.items()
    assert command == "serve" or found == expected


def test_every_flag_is_tried():
    assert {*FLAGS, "seed"} == {*VALUES, "strategy"}
    assert all(OPTIONS[name].choices or OPTIONS[name].kind in METAVARS for name in VALUES)


def test_answers_that_are_exported(searched, tiny_checkpoint):
    assert run("export", tiny_checkpoint, "--num-beams", "4", "--num-return", "3") == 0
    assert searched == [{"num_beams": 4, "num_return": 3}]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "given, message",
    [
        ("--num-beams=0", "--num-beams: expected a whole number of at least 1. Received: '0'."),
        ("--length-penalty=x", "--length-penalty: expected a number. Received: 'x'."),
        ("--top-p=2", "--top-p: expected a number above 0 and at most 1. Received: '2'."),
        ("--temperature=0", "--temperature: expected a number above 0. Received: '0'."),
        ("--length-penalty-form=log", "choose from"),
        ("--strategy=beams", "choose from"),
    ],
)
def test_bad_values_are_wrong_usage(command, given, message, capsys):
    with pytest.raises(SystemExit) as caught:
        run(command, "nowhere", given)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", ["translate", "caption", "evaluate", "bulk"])
@pytest.mark.parametrize(
    "flags, message",
    [
        (["--top-k=3"], "'top_k' belongs to strategy='sample'"),
        (["--strategy=greedy", "--num-beams=3"], "'num_beams' belongs to strategy='beam'"),
        (["--max-length=21"], "--max-length: the model writes 20 tokens at most"),
        (["--min-length=20"], "min_length from 0 to max_length - 1"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(
    command, flags, message, searched, tiny_checkpoint, capsys
):
    with pytest.raises(SystemExit) as caught:
        run(command, tiny_checkpoint, *flags)
    assert caught.value.code == 2 and searched == []
    assert message in capsys.readouterr().err


def test_only_the_first_call_has_the_seed(searched, tiny_checkpoint, tmp_path, capsys):
    (tmp_path / "long.txt").write_text("ein hund rennt\n" * 10_000)
    options = ["--model", str(tiny_checkpoint), "--strategy", "sample", "--seed", "3"]
    assert main(["translate", "--input", "long.txt", *options]) == 0
    assert [found.get("seed") for found in searched][:2] == [3, None]


def test_a_report_says_how_was_searched(searched, tiny_checkpoint, monkeypatch, capsys):
    monkeypatch.setattr(Pipeline, "__call__", lambda self, sources, **options: ["a dog"])
    assert run("evaluate", tiny_checkpoint, "--length-penalty", "0.5", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["num_beams"] == 2
    assert report["options"] == {"num_beams": 2, "length_penalty": 0.5}
    assert run("evaluate", tiny_checkpoint, "--strategy", "greedy", "--json") == 0
    assert json.loads(capsys.readouterr().out)["num_beams"] == 1
