"""A translation memory: what is stored comes back, and no file of anybody else is lost."""

import json
import math
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from s2s_zoo.pipeline import memory_file
from s2s_zoo.pipeline.memory import Memory, Remembered
from s2s_zoo.protocol.errors import DataError

GREETING = {"Guten Morgen.": [Remembered("Good morning.", -0.25, "Check it.")]}
posix = pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no modes here")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "memory.db"


@pytest.fixture
def full(path):
    """The path of a memory of two hundred sentences, under one key."""
    with Memory(path, "a", ("de", "en")) as memory:
        memory.store({f"Satz {i}.": [Remembered(f"Sentence {i}.", -i / 8)] for i in range(200)})
    return path


def test_what_was_stored_comes_back_in_another_run(path):
    with Memory(path, "a") as memory:
        memory.store(GREETING)
    with Memory(path, "a") as memory:
        assert memory.lookup(["Nein.", "Guten Morgen.", "Guten Morgen."]) == {
            "Guten Morgen.": (Remembered("Good morning.", -0.25, "Check it."),)
        }


def test_another_key_has_other_answers_in_the_same_file(path):
    with Memory(path, "a") as one, Memory(path, "b") as other:
        one.store(GREETING)
        assert other.lookup(list(GREETING)) == {}
        other.store({"Guten Morgen.": [Remembered("Hello.")]})
        assert one.lookup(list(GREETING))["Guten Morgen."][0].text == "Good morning."
        assert other.lookup(list(GREETING))["Guten Morgen."] == (Remembered("Hello."),)


def test_what_is_stored_again_is_replaced(path):
    with Memory(path, "a") as memory:
        memory.store(GREETING)
        memory.store({"Guten Morgen.": [Remembered("Hello."), Remembered("Hi.")]})
        assert [x.text for x in memory.lookup(["Guten Morgen."])["Guten Morgen."]] == [
            "Hello.",
            "Hi.",
        ]
        assert memory.pairs() == {(None, None): 1}


def test_whatever_has_a_text_is_stored_and_numbers_are_plain(path):
    import numpy as np

    with Memory(path, "a") as memory:
        memory.store({"ja": [SimpleNamespace(text="yes", score=np.float32(-0.5))]})
        [found] = memory.lookup(["ja"])["ja"]
    assert found == Remembered("yes", -0.5, None) and type(found.score) is float


anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
number = st.none() | st.floats(allow_nan=False)
answer = st.builds(Remembered, anything, number, st.none() | anything, number)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(answers={"a": [Remembered("b")]}, key="\ud800")
@given(answers=st.dictionaries(anything, st.lists(answer, max_size=3), max_size=5), key=anything)
def test_any_text_comes_back_as_it_was(tmp_path_factory, answers, key):
    path = tmp_path_factory.mktemp("any") / "memory.db"
    with Memory(path, key) as memory:
        memory.store(answers)
        assert memory.lookup([*answers, *answers]) == {k: tuple(v) for k, v in answers.items()}


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\udcff\ud800", "\ufffd", "\ufffe", "\r\n", ""])
def test_a_text_that_sqlite_or_utf8_has_not_is_another_than_its_neighbours(path, text):
    with Memory(path, "a") as memory:
        memory.store({text: [Remembered(text)], text + "x": [Remembered("x")]})
        assert memory.lookup([text])[text][0].text == text
        assert memory.lookup([text.encode(errors="replace").decode() + "?"]) == {}


@pytest.mark.parametrize("key", ["\ud800", "a\0b"])
def test_what_stands_under_such_a_key_is_exported(path, key):
    with Memory(path, key, ("de", "en")) as memory:
        memory.store({"Hund": [Remembered("dog")]})
        assert memory.export_tmx(path.with_name("of_key.tmx"), "de", "en") == 1
    with Memory(path) as memory:
        assert memory.export_tmx(path.with_name("of_all.tmx"), "de", "en") == 1


def test_infinity_and_nan_survive_as_scores(path):
    with Memory(path, "a") as memory:
        memory.store({"x": [Remembered("y", -math.inf), Remembered("z", math.nan)]})
        first, second = memory.lookup(["x"])["x"]
    assert first.score == -math.inf and math.isnan(second.score)


@posix
def test_a_memory_is_its_users_alone(path):
    before = os.umask(0)
    try:
        with Memory(path, "a") as memory:
            memory.store(GREETING)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


@posix
@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o666])
def test_a_memory_that_others_may_read_or_change_is_refused_until_it_is_not(full, mode):
    full.chmod(mode)
    with pytest.raises(DataError, match=f"its mode is {mode:o}.*chmod 600 .*memory.db"):
        Memory(full, "a")
    full.chmod(0o600)
    with Memory(full, "a") as memory:
        assert len(memory.lookup(["Satz 7."])) == 1


@posix
def test_a_folder_in_which_everybody_may_replace_files_is_refused(tmp_path):
    folder = tmp_path / "open folder"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(DataError, match=r"chmod o-w '.*open folder'"):
        Memory(folder / "memory.db", "a")
    assert list(folder.iterdir()) == []
    folder.chmod(0o1777)  # as /tmp is
    Memory(folder / "memory.db", "a").close()


@posix
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="root alone gives away")
def test_a_memory_that_another_user_left_where_everybody_may_write_is_refused(full):
    full.parent.chmod(0o1777)
    os.chown(full, 12345, 12345)
    with pytest.raises(DataError, match="belongs to another user"):
        Memory(full, "a")


FOREIGN = {
    "one byte": b"x",
    "a short text": b"Do not lose me.\n",
    "a long text": b"Do not lose me.\n" * 500,
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(2000),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_something_else_is_refused_and_left_as_it_is(path, content):
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(DataError, match="is no translation memory, and was left as it is. Give"):
        Memory(path, "a")
    assert path.read_bytes() == content and os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("application", [0, 1234])
def test_a_database_of_something_else_is_refused_and_left_as_it_is(path, application):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE keys (id, key)")
        connection.execute(f"PRAGMA application_id = {application}")
    connection.close()
    path.chmod(0o600)
    content = path.read_bytes()
    with pytest.raises(DataError, match="is no translation memory"):
        Memory(path, "a")
    assert path.read_bytes() == content


def test_a_folder_is_no_memory_and_one_that_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match="is no translation memory"):
        Memory(tmp_path, "a")
    with pytest.raises(DataError, match="cannot be made: No such file.*Choose a path"):
        Memory(tmp_path / "no" / "memory.db", "a")


def test_an_empty_file_becomes_a_memory(path):
    path.touch(0o600)
    with Memory(path, "a") as memory:
        memory.store(GREETING)
        assert memory.lookup(list(GREETING))


def test_an_export_makes_no_memory(path):
    with pytest.raises(DataError, match="cannot be opened: No such file"):
        Memory(path)
    assert not path.exists()


def test_a_memory_of_a_newer_version_is_refused_and_left_as_it_is(full):
    connection = sqlite3.connect(full)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    content = full.read_bytes()
    with pytest.raises(DataError, match="version 9.*reads up to 1. Upgrade"):
        Memory(full, "a")
    assert full.read_bytes() == content


@pytest.mark.parametrize("kept", [10, 100, 600, 4096, 5000, 8192])
def test_a_truncated_memory_is_refused_and_left_as_it_is(full, kept):
    content = full.read_bytes()[:kept]
    full.write_bytes(content)
    with pytest.raises(DataError, match="is damaged .*move it away|is no translation memory"):
        Memory(full, "a")
    assert full.read_bytes() == content


def test_no_byte_that_changed_gives_another_answer(tmp_path):
    """Each answer is the right one, is not there, or the file is said to be damaged."""
    path = tmp_path / "memory.db"
    answers = {f"Satz {i}.": [Remembered(f"Sentence {i}.", -i / 8)] for i in range(4)}
    with Memory(path, "key") as memory:
        memory.store(answers)
    content, copy, found = path.read_bytes(), tmp_path / "copy.db", set()
    for place in [i for i, byte in enumerate(content) if byte]:
        copy.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        copy.chmod(0o600)
        try:
            with Memory(copy, "key") as memory:
                for sentence, kept in memory.lookup(list(answers)).items():
                    assert repr(kept) == repr(tuple(answers[sentence])), place
                    found.add("right")
        except DataError as error:
            found.add("damaged" if "is damaged" in str(error) else "other")
    assert {"right", "damaged"} <= found


def test_a_row_whose_checksum_is_wrong_is_said(full):
    connection = sqlite3.connect(full)
    connection.execute("UPDATE translations SET answers = '[[\"99\",null,null]]'")
    connection.commit()
    connection.close()
    with Memory(full, "a") as memory:
        assert memory.lookup(["Satz"]) == {}
        with pytest.raises(
            DataError, match="is damaged. It was left as it is: move it away.*recover"
        ):
            memory.lookup(["Satz 1."])


def test_what_has_no_room_is_told_once_and_the_rest_is_used(path, monkeypatch):
    monkeypatch.setattr(memory_file, "LARGEST", 40960)
    with Memory(path, "a") as memory:
        memory.store(GREETING)
        with pytest.warns(UserWarning, match="keeps nothing more in this run: there is no more ro"):
            memory.store({"x": [Remembered("y" * 100_000)]})
        memory.store({"x": [Remembered("y")]})  # without another warning
        assert memory.lookup(["x", "Guten Morgen."]).keys() == GREETING.keys()
    assert path.stat().st_size <= 40960


def test_a_memory_that_cannot_be_written_is_read(full):
    with Memory(full, "a") as memory:
        memory._connection.execute("PRAGMA query_only = ON")  # root may write to any file
        with pytest.warns(
            UserWarning, match="keeps nothing more in this run: it cannot be written"
        ):
            memory.store(GREETING)
        assert len(memory.lookup(["Satz 1.", "Satz 2."])) == 2


@posix
@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may write to any file")
def test_a_read_only_file_is_read(full):
    full.chmod(0o400)
    with Memory(full, "a") as memory:
        with pytest.warns(UserWarning, match="it cannot be written"):
            memory.store(GREETING)
        assert len(memory.lookup(["Satz 1."])) == 1


def test_who_waits_too_long_is_told_and_loses_nothing(full, monkeypatch):
    monkeypatch.setattr(memory_file, "PATIENCE", 0.05)
    holder = sqlite3.connect(full, isolation_level=None)
    with Memory(full, "a") as memory:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.warns(UserWarning, match="another program has been writing"):
            memory.store(GREETING)
        assert len(memory.lookup(["Satz 1."])) == 1
        holder.execute("COMMIT")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DataError, match="cannot be used: another program"):
            memory.lookup(["Satz 1."])
    holder.close()


def test_threads_share_a_memory(path):
    failures = []

    def work(name):
        try:
            for i in range(20):
                memory.store({f"{name} {i}": [Remembered(f"{i}")], "shared": [Remembered(name)]})
                assert memory.lookup([f"{name} {i}"])[f"{name} {i}"][0].text == f"{i}"
        except BaseException as error:
            failures.append(error)

    with Memory(path, "a") as memory:
        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert memory.pairs() == {(None, None): 81}


WRITER = """
import sys
from s2s_zoo.pipeline.memory import Memory, Remembered
path, name = sys.argv[1:]
sys.stdin.read(1)
with Memory(path, name) as memory:
    for i in range(40):
        memory.store({str(i): [Remembered(name)]})
        assert memory.lookup([str(i)])[str(i)][0].text == name
"""


@pytest.mark.processes
def test_processes_make_and_share_a_file(path):
    command = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*command, name], stdin=subprocess.PIPE) for name in "abc"]
    for writer in writers:  # all are there before any begins
        writer.stdin.write(b"x")
        writer.stdin.close()
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    with Memory(path, "a") as memory:
        assert memory.pairs() == {(None, None): 120}


KILLED = """
import os, sys
from s2s_zoo.pipeline import memory_file
from s2s_zoo.pipeline.memory import Memory, Remembered
memory = Memory(sys.argv[1], "a")
memory.store({"first": [Remembered("whole")]})
memory._connection.execute("PRAGMA cache_size = 1")  # so that what is begun reaches the file
memory._connection.execute("BEGIN IMMEDIATE")
for i in range(500):
    memory._connection.execute(
        "INSERT OR REPLACE INTO translations VALUES (1, ?, ?, 0)", (str(i), "half" * 100))
os._exit(9)
"""


@pytest.mark.processes
def test_what_a_killed_process_began_is_undone(path):
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)]).returncode == 9
    assert path.with_name("memory.db-journal").stat().st_size
    with Memory(path, "a") as memory:
        assert memory.lookup(["first", "7"]) == {"first": (Remembered("whole"),)}


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_process_is_told_to_open_the_file_itself(path):
    code = (
        "import os, sys\n"
        "from s2s_zoo.pipeline.memory import Memory\n"
        "memory = Memory(sys.argv[1], 'a')\n"
        "if os.fork() == 0:\n"
        "    try:\n"
        "        memory.lookup(['x'])\n"
        "    except RuntimeError as error:\n"
        "        os._exit(7 if 'Open it in each process' in str(error) else 1)\n"
        "    os._exit(2)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 7


def test_what_is_asked_of_it_wrongly_is_said(full):
    with Memory(full) as memory:
        with pytest.raises(ValueError, match="opened to export it. Open it with Memory"):
            memory.lookup(["x"])
        with pytest.raises(ValueError, match="opened to export it"):
            memory.store(GREETING)
        with pytest.raises(TypeError, match="expected a list of sentences"):
            memory.lookup("Satz 1.")
    memory.close()
    with pytest.raises(ValueError, match="was closed"):
        memory.pairs()


def test_other_programs_can_read_the_rows(full):
    connection = sqlite3.connect(full)
    row = connection.execute("SELECT source, answers FROM translations LIMIT 1").fetchone()
    connection.close()
    assert row[0].startswith("Satz") and json.loads(row[1])[0][0].startswith("Sentence")
