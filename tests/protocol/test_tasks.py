"""The table of tasks: complete, and in words that the rest of the package knows."""

import numpy as np
import pytest

from s2s_zoo.apps.cli.main import main
from s2s_zoo.protocol.tasks import TASKS
from s2s_zoo.training.metrics import METRICS

pytestmark = pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)


def test_metrics_are_known(task):
    assert task.metrics and set(task.metrics) <= METRICS.keys()


def test_longest_target_takes_one_length_and_many(task):
    lengths = np.array([2, 7])
    many = np.broadcast_to(task.longest_target(lengths), lengths.shape)
    assert many.tolist() == [task.longest_target(int(length)) for length in lengths]


def test_command_is_of_the_command_line(task, capsys):
    with pytest.raises(SystemExit) as left:
        main([task.command, "--help"])
    assert left.value.code == 0
    assert "--model" in capsys.readouterr().out
