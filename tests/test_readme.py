"""README and site are run: a page's Python from top to bottom, its commands by their parser."""

import ast
import re
import shlex
from pathlib import Path

import keras
import pytest
from PIL import Image

from s2s_zoo.apps.cli import main as cli
from s2s_zoo.checkpoints.catalog import list_checkpoints

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, *sorted(x for x in DOCS.rglob("*.md") if DOCS / "build" not in x.parents)]
RUN = [page for page in PAGES if "```python\n" in page.read_text(encoding="utf-8")]
COMMANDS = cli._parser()._subparsers._group_actions[0].choices


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run(page):
    """What the names of a page stand for in the end."""
    namespace = {}
    for block in blocks(page, "python"):
        exec(compile(block, name_of(page), "exec"), namespace)
    return namespace


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with what pages read: a photo."""
    monkeypatch.chdir(tmp_path)
    Image.effect_noise((300, 200), 60).convert("RGB").save("photo.jpg")
    return tmp_path


@pytest.mark.learns
def test_the_readme_runs(folder):
    namespace = run(README)
    assert namespace["result"].alignment.shape == (
        len(namespace["result"].target_tokens),
        len(namespace["result"].source_tokens),
    )
    assert (folder / "my-model" / "model.safetensors").exists()


@pytest.mark.examples
@pytest.mark.filterwarnings("ignore::s2s_zoo.errors.TextWarning")  # which pages speak of
@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
@pytest.mark.filterwarnings("ignore:The export reads one sentence at a time")
@pytest.mark.parametrize("page", RUN[1:], ids=name_of)
def test_a_page_runs(page, folder):
    if page.name == "lora.md":
        pytest.importorskip("transformers")
        from tests.checkpoints.pretrained.oracle import make

        make("marian", folder / "opus-mt-de-en")
    keras.utils.set_random_seed(1)
    run(page)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_not_run_is_python_all_the_same(page):
    """Blocks of `py` need a download, or stand for more than they say."""
    for block in blocks(page, "py"):
        ast.parse(block.replace("…", "..."))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_parse(page):
    for block in blocks(page, "bash"):
        block = block.replace("\\\n", " ")
        for command in re.findall(r"s2s-zoo ([a-z]+\b[^|>&`#\n]*)", block):
            assert command.split()[0] in COMMANDS
            cli._parser().parse_args(shlex.split(command.replace("NAME", "name")))


def test_the_readme_has_commands():
    assert sum("s2s-zoo " in block for block in blocks(README, "bash")) >= 2


def test_every_bundled_checkpoint_is_in_the_table():
    table = (DOCS / "checkpoints.md").read_text(encoding="utf-8")
    assert [name for name in list_checkpoints() if f"`{name}`" not in table] == []


def test_the_readme_is_read_in_two_minutes():
    assert len(README.read_text(encoding="utf-8").splitlines()) < 200
