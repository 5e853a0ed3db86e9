"""The README is run: its Python from top to bottom, its commands by their parser."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from s2s_zoo.apps.cli import main as cli
from s2s_zoo.checkpoints.catalog import list_checkpoints

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.learns
def test_python_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.effect_noise((300, 200), 60).convert("RGB").save("photo.jpg")
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 4
    namespace = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
    assert namespace["result"].alignment.shape == (
        len(namespace["result"].target_tokens),
        len(namespace["result"].source_tokens),
    )
    assert (tmp_path / "my-model" / "model.safetensors").exists()


def test_commands_parse():
    commands = re.findall(
        r"s2s-zoo ((?:list|show|translate|summarize|caption|transcribe|average|evaluate|download"
        r"|verify|export|push|release|serve|bulk|shortlist|memory)\b[^|>&`#\n]*)",
        README,
    )
    assert len(commands) >= 4
    for command in commands:
        cli._parser().parse_args(shlex.split(command.replace("NAME", "name")))


def test_every_bundled_checkpoint_is_in_the_table():
    missing = [name for name in list_checkpoints() if f"`{name}`" not in README]
    assert missing == []
