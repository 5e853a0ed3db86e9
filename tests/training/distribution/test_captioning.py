"""The recipe with a cache of features, on two devices."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.recipes.test_captioning import captioning  # noqa: F401
from tests.training.distribution.conftest import ROOT

RECIPE = ROOT / "recipes" / "captioning" / "train.py"


@pytest.mark.processes
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="draws dropout on TensorFlow")
def test_two_devices_train_what_one_does(start, captioning, tmp_path):  # noqa: F811
    pytest.importorskip("pycocoevalcap")
    path = Path(captioning[5])
    config = json.loads(path.read_text(encoding="utf-8"))
    for part in ("encoder", "decoder"):
        config["model"][part]["dropout"] = 0
    config["model"]["decoder"]["doubly_stochastic"] = 0
    path.write_text(json.dumps(config), encoding="utf-8")
    arguments = [RECIPE, *captioning[:-1]]
    for devices in (1, 2):
        process = start(*arguments, tmp_path / f"run{devices}", "--devices", devices)
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0, printed
    for phase in ("frozen", "tuned"):
        one, two = (
            load_file(tmp_path / f"run{devices}" / phase / "state.safetensors")
            for devices in (1, 2)
        )
        for key, value in one.items():
            np.testing.assert_allclose(two[key], value, atol=1e-4)
