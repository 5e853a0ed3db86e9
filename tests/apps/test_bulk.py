"""Rows in, rows out: nothing missing, nothing twice, whatever fails on the way."""

import importlib.util
import json
import os
import pickle
import signal

import pytest

from s2s_zoo.apps import bulk
from s2s_zoo.apps.bulk import Writer
from s2s_zoo.apps.cli.main import main
from s2s_zoo.data.rows import read_rows
from s2s_zoo.protocol.errors import CheckpointError, DataError

with_parquet = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="needs pip install 's2s-zoo[ray]'"
)


@pytest.fixture(scope="module")
def texts(sentences):
    return [source for source, _ in sentences]


@pytest.fixture(scope="module")
def expected(tiny_pipeline, texts):
    return dict(zip(texts, tiny_pipeline(texts), strict=True))


@pytest.fixture
def writer(tiny_checkpoint):
    return Writer(tiny_checkpoint)


def read(folder):
    """The rows of all shards in the order of their names."""
    if files := sorted(folder.glob("part-*.parquet")):
        from pyarrow import parquet

        return [row for file in files for row in parquet.read_table(file).to_pylist()]
    files = sorted(folder.glob("part-*"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [json.loads(line) for line in lines]


def test_a_row_that_cannot_be_used_does_not_fail_the_others(writer, texts, expected):
    rows = [{"text": text, "id": i} for i, text in enumerate(texts)]
    rows[1:1] = [{"text": None, "id": -1}, {"id": -2}, {"text": 7, "id": -3}]
    found = writer(rows)
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert [row["output"] for row in found if row["id"] >= 0] == [expected[text] for text in texts]
    errors = {row["id"]: row["output_error"] for row in found}
    assert all(errors[i] is None for i in range(len(texts)))
    assert "str" in errors[-1] and "no column 'text'; there are: id" in errors[-2] and errors[-3]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.tsv", "id\tde\n0\t{0}\n1\t{1}\n"),
        ("x.csv", "id;de\n0;{0}\n1;{1}\n"),
        (
            "x.tmx",
            "<tmx><body><tu><tuv xml:lang='de'><seg>{0}</seg></tuv></tu>"
            "<tu><tuv xml:lang='de'><seg>{1}</seg></tuv></tu></body></tmx>",
        ),
    ],
)
def test_a_column_of_a_table(tiny_checkpoint, texts, expected, tmp_path, name, text):
    (tmp_path / name).write_text(text.format(*texts), encoding="utf-8")
    list(bulk.run(Writer(tiny_checkpoint, "de"), [tmp_path / name], tmp_path / "out"))
    found = read(tmp_path / "out")
    assert [row["de"] for row in found] == texts[:2]
    assert [row["output"] for row in found] == [expected[text] for text in texts[:2]]


def test_lines_without_a_tab_are_texts_whatever_the_file_is_called(tmp_path):
    (tmp_path / "x.tsv").write_text("ein Hund\neine Katze\n", encoding="utf-8")
    assert list(read_rows(tmp_path / "x.tsv", "text")) == [
        {"text": "ein Hund"},
        {"text": "eine Katze"},
    ]


def test_a_writer_goes_to_other_processes_without_its_model(writer, texts, expected):
    writer([{"text": texts[0]}])
    assert len(pickle.dumps(writer)) < 1000
    copy = pickle.loads(pickle.dumps(writer))
    assert copy([{"text": texts[1]}])[0]["output"] == expected[texts[1]]


def test_columns_are_not_overwritten(writer):
    with pytest.raises(DataError, match="already have a column 'output'"):
        writer([{"text": "a", "output": "mine"}])


@pytest.mark.parametrize("format", ["jsonl", pytest.param("parquet", marks=with_parquet)])
def test_files_become_shards_with_keys(writer, texts, expected, tmp_path, format):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    lines = [json.dumps({"text": texts[0], "n": 1}), "no json", "[1]", json.dumps({"n": 2})]
    (folder / "b.jsonl").write_text("\n".join(lines), encoding="utf-8")
    done = list(bulk.run(writer, [folder], tmp_path / "out", format, shard_size=4))
    assert [(shard["rows"], shard["failed"]) for shard in done] == [(4, 0), (2, 0), (4, 3)]
    rows = read(tmp_path / "out")
    assert [row["key"] for row in rows] == [
        *(f"{folder / 'a.txt'}:{i}" for i in range(6)),
        *(f"{folder / 'b.jsonl'}:{i}" for i in range(4)),
    ]
    assert [row["output"] for row in rows[:7]] == [expected[text] for text in [*texts, texts[0]]]
    assert rows[7]["unreadable"] == "no json" and rows[8]["unreadable"] == "[1]"
    # What was written is read again, with the columns it has.
    again = Writer(writer.model, column="output", output="back", detect=False)
    written = tmp_path / "out" / f"part-00000.{format}"
    assert list(bulk.run(again, [written], tmp_path / "two"))[0]["failed"] == 0
    assert [row["text"] for row in read(tmp_path / "two")] == texts[:4]


def test_invalid_utf8_is_a_failed_row(writer, texts, expected, tmp_path):
    (tmp_path / "a.txt").write_bytes(texts[0].encode() + b"\n\xff\xfe\n" + texts[1].encode())
    list(bulk.run(writer, [tmp_path / "a.txt"], tmp_path / "out"))
    rows = read(tmp_path / "out")
    assert [row["output"] for row in rows] == [expected[texts[0]], None, expected[texts[1]]]
    assert rows[1]["unreadable"] == r"\xff\xfe" and "unreadable" in rows[1]["output_error"]


def test_a_job_goes_on_where_it_was_cut_off(writer, texts, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(texts), encoding="utf-8")
    arguments = [writer, [path], tmp_path / "out"]
    job = bulk.run(*arguments, shard_size=2)
    next(job)
    job.close()
    with pytest.raises(DataError, match="Go on with --resume"):
        bulk.run(*arguments, shard_size=2)
    with pytest.raises(DataError, match="other inputs, options or shards"):
        bulk.run(*arguments, shard_size=3, resume=True)
    done = list(bulk.run(*arguments, shard_size=2, resume=True))
    assert [shard["shard"][-13:] for shard in done] == ["t-00001.jsonl", "t-00002.jsonl"]
    assert [row["text"] for row in read(tmp_path / "out")] == texts
    assert not list(bulk.run(*arguments, shard_size=2, resume=True))


def test_an_output_that_holds_something_else_is_left_alone(writer, tmp_path):
    (tmp_path / "a.txt").write_text("ein hund", encoding="utf-8")
    with pytest.raises(DataError, match="is not empty"):
        bulk.run(writer, [tmp_path / "a.txt"], tmp_path)
    with pytest.raises(DataError, match="is not there"):
        bulk.run(writer, [tmp_path / "b.txt"], tmp_path / "out")


BAD = [
    json.dumps({"text": "ein \ud800 hund"}),
    json.dumps({"text": "ein hund", "other": "\udfff", "\ud800": 1}),
    "[" * 100_000,
    json.dumps({"text": "ein hund", "deep": json.loads("[" * 200 + "]" * 200)}),
    '{"text": "ein hund", "n": NaN}',
    '{"text": NaN}',
    "",
]


@pytest.mark.parametrize("format", ["jsonl", pytest.param("parquet", marks=with_parquet)])
def test_no_row_ends_a_job_and_it_can_be_resumed(writer, tmp_path, format):
    name = "in.jsonl" if os.name == "nt" else os.fsdecode(b"\xff.jsonl")
    good = json.dumps({"text": "ein hund"})
    (tmp_path / name).write_text("\n".join([good, *BAD, good]), encoding="utf-8-sig")
    arguments = [writer, [tmp_path / name], tmp_path / "out", format, 3]
    [*_, last] = bulk.run(*arguments)
    rows = read(tmp_path / "out")
    assert len(rows) == len(BAD) + 2
    assert [row["output_error"] is None for row in rows] == [
        *(True, True, True, False, False, True, False, False, True)
    ]
    assert rows[-1]["output"] == rows[0]["output"] and rows[3]["unreadable"] == BAD[2]
    for file in (tmp_path / "out").glob("part-*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            json.loads(line, parse_constant=pytest.fail)
    os.remove(last["shard"])
    assert [shard["shard"] for shard in bulk.run(*arguments, resume=True)] == [last["shard"]]


class Panic(BaseException):
    """What an extension written in Rust raises."""


def test_native_panics_and_unknown_errors_fail_their_row_alone(writer, monkeypatch):
    pipeline = bulk.loaded(writer.model)

    class Hurt:
        processor = pipeline.processor

        def __call__(self, sources, **options):
            if "panic" in sources:
                raise Panic("out of luck")
            if "odd" in sources:
                raise RuntimeError("odd")
            if "stop" in sources:
                raise KeyboardInterrupt
            return pipeline(sources, **options)

    monkeypatch.setattr(bulk, "loaded", lambda model: Hurt())
    rows = writer([{"text": text} for text in ("ein hund", "panic", "odd", "der ball")])
    assert [row["output_error"] for row in rows] == [
        *(None, "Panic: out of luck", "RuntimeError: odd", None)
    ]
    with pytest.raises(KeyboardInterrupt):
        writer([{"text": "stop"}])


def test_what_fails_with_every_row_is_raised_and_no_shard_says_done(writer, tmp_path, monkeypatch):
    pipeline, gone = bulk.loaded(writer.model), []

    class Gone:
        processor = pipeline.processor

        def __call__(self, sources, **options):
            gone.extend(sources)
            if len(gone) > 4:
                raise RuntimeError("the device is gone")
            return pipeline(sources, **options)

    monkeypatch.setattr(bulk, "loaded", lambda model: Gone())
    (tmp_path / "a.txt").write_text("\n".join("abcdef"), encoding="utf-8")
    arguments = [writer, [tmp_path / "a.txt"], tmp_path / "out", "jsonl", 2]
    with pytest.raises(RuntimeError, match="the device is gone"):
        list(bulk.run(*arguments))
    monkeypatch.undo()
    assert len(read(tmp_path / "out")) == 4
    assert [shard["failed"] for shard in bulk.run(*arguments, resume=True)] == [0]


def test_a_checkpoint_or_an_option_that_is_not_there_is_no_fault_of_a_row(tmp_path, writer):
    with pytest.raises(CheckpointError):
        Writer(tmp_path / "nothing")([{"text": "ein hund"}])
    with pytest.raises(ValueError, match="num_beans"):
        Writer(writer.model, num_beans=2)([{"text": "ein hund"}])


def test_a_column_that_is_there_is_told_before_any_work(writer, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text": "b", "output_error": 1}')
    with pytest.raises(DataError, match=r"a\.jsonl, row 1, already has a column 'output_error'"):
        bulk.run(writer, [tmp_path / "a.jsonl"], tmp_path / "out", shard_size=1)
    assert not (tmp_path / "out").exists()


def test_the_key_is_that_of_the_job_and_a_rows_own_is_kept(writer, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "key": 7}\n{"key": 8, "input_key": 9}')
    list(bulk.run(writer, [tmp_path / "a.jsonl"], tmp_path / "out"))
    first, second = read(tmp_path / "out")
    assert first["key"] == f"{tmp_path / 'a.jsonl'}:0" and first["input_key"] == 7
    assert second["key"].endswith(":1")
    assert (second["input_key"], second["input_input_key"]) == (9, 8)


def test_what_a_killed_job_left_aside_is_cleared_away(writer, tmp_path):
    (tmp_path / "a.txt").write_text("ein hund", encoding="utf-8")
    out = tmp_path / "out"
    out.mkdir()
    (out / "bulk.part").write_text("{")  # killed before the job had begun
    list(bulk.run(writer, [tmp_path / "a.txt"], out))
    (out / ".part-00000.4711.jsonl").write_text("{")
    list(bulk.run(writer, [tmp_path / "a.txt"], out, resume=True))
    assert sorted(path.name for path in out.iterdir()) == ["bulk.json", "part-00000.jsonl"]


def test_a_shard_that_cannot_be_written_leaves_nothing(writer, tmp_path, monkeypatch):
    def full(rows, path, texts):
        path.write_bytes(b"{")
        raise OSError("No space left on device")

    monkeypatch.setattr(bulk, "write_rows", full)
    (tmp_path / "a.txt").write_text("ein hund", encoding="utf-8")
    with pytest.raises(OSError, match="No space left"):
        list(bulk.run(writer, [tmp_path / "a.txt"], tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bulk.json"]


def test_the_output_of_a_job_is_the_input_of_the_next(writer, texts, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(texts), encoding="utf-8")
    list(bulk.run(writer, [tmp_path / "a.txt"], tmp_path / "one"))
    again = Writer(writer.model, column="output", output="back", detect=False)
    list(bulk.run(again, [tmp_path / "one"], tmp_path / "two"))
    assert [row["text"] for row in read(tmp_path / "two")] == texts


def test_photos_of_a_folder(tiny_captioner, photos, tmp_path):
    tiny_captioner.save(tmp_path / "model")
    folder, captions = photos
    done = list(bulk.run(Writer(tmp_path / "model"), [folder], tmp_path / "out"))
    rows = read(tmp_path / "out")
    assert done[0]["rows"] == len(rows) == len(captions)
    assert all(isinstance(row["output"], str) for row in rows)


class Transcribes:
    """Says what a recording is called; b.wav cannot be read."""

    def __init__(self):
        self.processor, self.asked = type("Sound", (), {"reads": "audio"}), []

    def __call__(self, sources, progress, **options):
        self.asked.append(options)
        if any(str(source).endswith("b.wav") for source in sources):
            raise DataError("b.wav cannot be decoded.")
        return [os.path.basename(source) for source in sources]

    def plan(self, options):
        return options


def test_recordings_of_a_folder_and_alone(tmp_path, monkeypatch, capsys):
    pipeline = Transcribes()
    pipeline.processor.max_target_length = 448
    monkeypatch.setattr(bulk, "loaded", lambda model: pipeline)
    folder = tmp_path / "talks"
    folder.mkdir()
    for name in ("c.mp3", "a.flac", "b.wav", "notes.txt"):
        (folder / name).write_bytes(b"\0")
    command = ["bulk", str(folder), "--model", "x", "--output"]
    spoken = ["--language", "German", "--translate"]
    assert main([*command, str(tmp_path / "out"), *spoken]) == 0
    rows = read(tmp_path / "out")
    assert [row["output"] for row in rows] == ["a.flac", None, "c.mp3"]
    assert [row["text"] for row in rows] == [str(folder / x) for x in ("a.flac", "b.wav", "c.mp3")]
    assert rows[1]["output_error"] == "b.wav cannot be decoded."
    assert pipeline.asked[-1] == {"language": "German", "task": "translate"}
    one = ["bulk", str(folder / "c.mp3"), "--model", "x", "--output", str(tmp_path / "one")]
    assert main(one) == 0
    assert [row["output"] for row in read(tmp_path / "one")] == ["c.mp3"]
    (folder / "cover.jpg").write_bytes(b"\0")
    capsys.readouterr()
    assert main([*command, str(tmp_path / "two")]) == 1
    said = capsys.readouterr().err
    assert "holds 1 images and 3 recordings. Name the files of one kind" in said


def test_command_line(tiny_checkpoint, texts, expected, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("\n".join(texts), encoding="utf-8")
    options = ["--model", str(tiny_checkpoint), "--output", str(tmp_path / "out")]
    assert main(["bulk", str(tmp_path / "a.txt"), *options, "--shard-size", "4"]) == 0
    assert capsys.readouterr().out.endswith("6 rows, 0 failed\n")
    assert main(["bulk", str(tmp_path / "a.txt"), *options]) == 1
    assert "Go on with --resume" in capsys.readouterr().err


def test_a_job_of_which_no_row_could_be_used_has_failed(tiny_checkpoint, tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    options = ["--model", str(tiny_checkpoint), "--output", str(tmp_path / "out")]
    assert main(["bulk", str(tmp_path / "a.jsonl"), *options]) == 1
    said = capsys.readouterr()
    assert said.out.endswith("2 rows, 2 failed: output_error says why\n")
    assert said.err == (
        "s2s-zoo: error: None of the rows could be used. Look at output_error, or --column.\n"
    )


class Dying(Writer):
    """Kills its process once, in the middle of a job."""

    def __call__(self, rows):
        marker = self.options["marker"]
        if rows[0]["key"].endswith(":2") and not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return Writer(self.model)(rows)


@pytest.mark.processes
@pytest.mark.filterwarnings("ignore")  # Ray warns of itself
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra ray")
def test_an_actor_that_dies_loses_and_doubles_nothing(
    tiny_checkpoint, texts, expected, tmp_path, monkeypatch
):
    import ray

    path = tmp_path / "a.txt"
    path.write_text("\n".join(texts), encoding="utf-8")
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    try:
        dying = Dying(tiny_checkpoint, marker=str(tmp_path / "died"))
        done = list(bulk.run(dying, [path], tmp_path / "out", shard_size=2, actors=2))
    finally:
        ray.shutdown()
    assert (tmp_path / "died").exists()
    assert sorted(shard["rows"] for shard in done) == [2, 2, 2]
    assert [(row["text"], row["output"]) for row in read(tmp_path / "out")] == list(
        expected.items()
    )


def test_a_damaged_record_of_a_job_is_told(writer, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "a.txt").write_text("ein hund\n")
    list(bulk.run(writer, [tmp_path / "a.txt"], out))
    (out / bulk.MANIFEST).write_text('{"model": ')
    with pytest.raises(DataError, match="is damaged.*Name another folder"):
        list(bulk.run(writer, [tmp_path / "a.txt"], out, resume=True))
