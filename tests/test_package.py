"""The package imports fast and offers its names lazily."""

import ast
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

import s2s_zoo


def test_import_loads_neither_keras_nor_tensorflow():
    code = (
        "import sys, s2s_zoo; dir(s2s_zoo); s2s_zoo.list_checkpoints(); "
        "import s2s_zoo.apps.cli.main; "
        "heavy = {'tensorflow', 'tensorflow_text', 'keras', 'sacrebleu', 'huggingface_hub'}; "
        "print(sorted(heavy & sys.modules.keys()))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout, result.returncode) == ("[]\n", 0), result.stderr


USES = {
    "a name": "s2s_zoo.Seq2Seq",
    "a room": "from s2s_zoo.attention import LuongAttention",
    "a search": "from s2s_zoo.generation import beam_search",
    "a short name": "from s2s_zoo.callbacks import TrainingState",
    "batches": "from s2s_zoo.data import TokenBatches",
    "an app": "from s2s_zoo.apps.explaining.gradients import gradient",
}
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def onednn(code, **given):
    """What a program prints of the variable, and its standard error."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("oneDNN is for x86")
    environment = {k: v for k, v in os.environ.items() if k not in (ONEDNN, "KERAS_BACKEND")}
    code = f"import os, sys\n{code}\nprint(os.environ.get('{ONEDNN}'))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, env={**environment, **given})
    assert result.returncode == 0, result.stderr
    return result.stdout.strip(), result.stderr


def test_import_alone_sets_nothing():
    assert onednn("import s2s_zoo; s2s_zoo.list_checkpoints(); s2s_zoo.read_pairs")[0] == "None"


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_first_use_asks_for_onednn_before_tensorflow_is_loaded(use):
    # A TensorFlow that says what it sees while it is loaded, and is then no more.
    fake = f"""
import importlib.abc, s2s_zoo
class Seen(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "keras"):
            print(os.environ.get("{ONEDNN}"))
            sys.stdout.flush()
            os._exit(0)
sys.meta_path.insert(0, Seen())
{use}
"""
    assert onednn(fake)[0] == "1"


@pytest.mark.parametrize("given", [{ONEDNN: "0"}, {"KERAS_BACKEND": "jax"}])
def test_nothing_is_set_where_somebody_has_decided_or_tensorflow_is_not_used(given):
    found, _ = onednn("import s2s_zoo.protocol.onednn", **given)
    assert found == given.get(ONEDNN, "None")


def test_once_tensorflow_is_loaded_nothing_is_set_and_one_line_is_logged():
    code = (
        "import logging, types; logging.basicConfig(level=logging.INFO)\n"
        "sys.modules['tensorflow'] = types.ModuleType('tensorflow')\n"
        "import s2s_zoo.layers, s2s_zoo.model, s2s_zoo.training"
    )
    found, said = onednn(code)
    assert found == "None"
    assert said.count("\n") == said.count("INFO:s2s_zoo:TensorFlow was loaded before") == 1


def test_whatever_loads_keras_asks_for_onednn_first():
    """A room says so in its `__init__`, a file in a room that can do without Keras by itself."""
    package = Path(s2s_zoo.__file__).parent
    asks = re.compile(r"import s2s_zoo\.protocol\.onednn |from s2s_zoo\.protocol import onednn ")
    loads = re.compile(r"^ *(import|from) (keras|tensorflow|tensorflow_text)\b", re.MULTILINE)
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        # Weights are those of a model that is there.
        if not (found := loads.search(text)) or path == package / "checkpoints" / "weights.py":
            continue
        rooms = [parent / "__init__.py" for parent in path.parents if package in parent.parents]
        asked = any(asks.search(room.read_text(encoding="utf-8")) for room in rooms)
        assert asked or asks.search(text, 0, found.start()), path


def test_every_public_name_resolves_and_is_listed():
    for name in s2s_zoo.__all__:
        assert getattr(s2s_zoo, name) is not None
        assert name in dir(s2s_zoo)


def test_the_special_ids_stand_at_the_front_door():
    assert (s2s_zoo.PAD, s2s_zoo.START, s2s_zoo.END, s2s_zoo.UNK) == (0, 1, 2, 3)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'beam_serach'"):
        s2s_zoo.beam_serach  # noqa: B018


def test_names_for_type_checkers_are_the_public_ones():
    stub = Path(s2s_zoo.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    imported = [x for x in ast.parse(stub).body if isinstance(x, ast.ImportFrom)]
    names = [(alias.name, alias.asname) for x in imported for alias in x.names]
    assert all(name == shown for name, shown in names)
    assert sorted(name for name, _ in names) == sorted(s2s_zoo.__all__)
    assert Path(s2s_zoo.__file__).with_name("py.typed").is_file()


USER = """
import s2s_zoo
from s2s_zoo import GenerationMetrics, Seq2Seq

t = s2s_zoo.from_pretrained("translation-de-en")
reveal_type(t)
reveal_type(t(["x"]))
reveal_type(t.plan({}).strategy)
reveal_type(Seq2Seq)
print(t("x"), t("x", 1, return_scores=True), GenerationMetrics, s2s_zoo.callbacks)
"""


@pytest.mark.processes
def test_a_program_is_checked_with_the_types_of_the_package(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text(USER)
    # Where the package is part of a checkout mypy would tell of its inside too.
    options = ["--config-file=", "--follow-imports=silent", f"--cache-dir={tmp_path}/cache"]
    result = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "user.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(Path(s2s_zoo.__file__).parent.parent)},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    revealed = re.findall('Revealed type is "(.*)"', result.stdout)
    assert revealed[:3] == ["s2s_zoo.pipeline.pipeline.Pipeline", "list[Any]", "str"]
    assert revealed[3].endswith("s2s_zoo.model.seq2seq.Seq2Seq")


@pytest.mark.processes
def test_names_are_completed(tmp_path):
    pytest.importorskip("IPython")
    code = (
        "from IPython.core.completer import provisionalcompleter\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_cell('import s2s_zoo')\n"
        "with provisionalcompleter():\n"
        "    found = shell.Completer.completions('s2s_zoo.from_p', len('s2s_zoo.from_p'))\n"
        "    print([x.text for x in found])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
    )
    assert "from_pretrained" in result.stdout, result.stderr
