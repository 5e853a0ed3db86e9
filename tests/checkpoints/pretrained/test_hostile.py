"""What somebody made up in the layout of transformers is refused, in one line that names the file.

The folders are made by `tests/checkpoints/pretrained/hostile.py`.
"""

import re
import shutil

import pytest

from s2s_zoo import from_pretrained
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.hostile import BOMBS, WRONG
from tests.hostile import load_each


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused(hub_marian, tmp_path, name):
    folder = shutil.copytree(hub_marian, tmp_path / "copy")
    spoil, message = WRONG[name]
    spoil(folder)
    with pytest.raises(CheckpointError, match=message) as caught:
        from_pretrained(folder)
    assert len(str(caught.value)) < 1000 and str(caught.value).endswith(".")


@pytest.fixture(scope="module")
def outcomes(hub_marian, tmp_path_factory):
    """{name of a bomb: what loading it said}, in a process of little memory."""
    folders = {}
    for name, (spoil, _) in BOMBS.items():
        folders[name] = shutil.copytree(hub_marian, tmp_path_factory.mktemp("bombs") / name)
        spoil(folders[name])
    said = load_each(hub_marian, folders.values())
    return {name: said[str(folder)] for name, folder in folders.items()}


@pytest.mark.processes
@pytest.mark.parametrize("name", BOMBS)
def test_no_bomb_takes_memory_or_time(outcomes, name):
    assert re.match(f"ours: .*{BOMBS[name][1]}", outcomes[name]), outcomes[name]
