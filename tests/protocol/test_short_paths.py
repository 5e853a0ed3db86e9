"""Modules that users call by their last name are found under it, and are one module."""

import importlib
import subprocess
import sys

import pytest

import s2s_zoo

NAMES = {
    "bulk": "apps.bulk",
    "callbacks": "training.callbacks",
    "distribution": "training.distribution",
    "errors": "protocol.errors",
    "losses": "training.losses",
    "metrics": "training.metrics",
    "optimizers": "training.optimizers",
    "plots": "pipeline.plots",
    "presets": "model.presets",
    "self_critical": "training.self_critical",
    "shortlist": "generation.shortlist",
}


@pytest.mark.parametrize(("name", "place"), NAMES.items())
def test_one_module_under_both_names(name, place):
    short = importlib.import_module(f"s2s_zoo.{name}")
    assert short is importlib.import_module(f"s2s_zoo.{place}")
    assert short is getattr(s2s_zoo, name)
    assert short.__name__ == short.__spec__.name == f"s2s_zoo.{place}"


@pytest.mark.processes
@pytest.mark.parametrize(
    "statement",
    [
        "from s2s_zoo.callbacks import GenerationMetrics, TrainingState",
        "from s2s_zoo.distribution import current, data_parallel",
        "from s2s_zoo.losses import SmoothedCrossEntropy",
        "import s2s_zoo.metrics; s2s_zoo.metrics.corpus_score",
        "from s2s_zoo import callbacks, losses; callbacks.GenerationMetrics",
    ],
)
def test_statements_of_users_in_a_new_process(statement):
    check = (
        "; import s2s_zoo, keras; from s2s_zoo.training.losses import SmoothedCrossEntropy as L; "
    )
    check += "assert s2s_zoo.losses.SmoothedCrossEntropy is L is s2s_zoo.SmoothedCrossEntropy"
    result = subprocess.run(
        [sys.executable, "-c", statement + check], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_other_names_are_not_there():
    with pytest.raises(ModuleNotFoundError, match=r"s2s_zoo\.lossess"):
        importlib.import_module("s2s_zoo.lossess")
