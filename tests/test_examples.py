"""The programs of docs/examples, each at its small size: they learn, and stay short."""

import runpy
from pathlib import Path

import keras
import pytest

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))


@pytest.mark.examples
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_an_example_learns(program):
    keras.utils.set_random_seed(1)
    losses, answers = runpy.run_path(str(program))["main"]()
    assert losses[-1] < losses[0] / 3, losses
    right = sum(written == expected for written, expected in answers)
    assert right >= len(answers) * 3 / 4, answers


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_an_example_is_short_and_in_the_docs(program):
    assert len(program.read_text(encoding="utf-8").splitlines()) <= 80
    assert f"({program.name})" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
