"""What tells one pipeline from another that answers differently: its weights and its settings."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from s2s_zoo.pipeline.pipeline import Pipeline


def fingerprint(pipeline: Pipeline) -> str:
    """A digest of all that the answers of a pipeline depend on, but for the options of a call.

    It is that of the weights as they are now, whether they were loaded or trained since, of the
    configuration and the precision of the model, the tokenizers, the defaults of the search and the
    shortlist. A checkpoint has the same one wherever it is loaded.

    Returns:
        str, 32 hex digits.
    """
    models = getattr(pipeline.model, "members", [pipeline.model])
    shortlist = pipeline.shortlist
    settings = {
        "task": pipeline.task,
        "models": [[_config(model), model.dtype_policy.name] for model in models],
        "weights": _weights(models),
        "processor": pipeline.processor.get_config(),
        "generation": pipeline.generation,
        "shortlist": None if shortlist is None else _hash(shortlist.pack()),
        **({} if pipeline.engine is None else {"engine": list(pipeline.engine)}),
    }
    return _hash(json.dumps(settings, sort_keys=True).encode())


def fingerprint_of_model(model: Any) -> str:
    """The same of a model alone: of its configuration and its weights as they are now."""
    about = {"config": _config(model), "weights": _weights([model])}
    return _hash(json.dumps(about, sort_keys=True).encode())


def _weights(models):
    """[name, digest] of each weight."""
    from keras import ops

    weights = [weight for model in models for weight in model.weights]
    with ThreadPoolExecutor() as pool:
        digests = pool.map(lambda weight: _digest(ops.convert_to_numpy(weight.value)), weights)
        return [
            [weight.path.partition("/")[2], digest]
            for weight, digest in zip(weights, digests, strict=True)
        ]


def _config(model: Any) -> Any:
    try:
        return model.get_config()
    except ValueError:  # a quantized one has none, and its weights say that it is
        return None


def _digest(array: Any) -> str:
    """The digest of the numbers, the dtype and the shape of an array."""
    array = np.ascontiguousarray(array)
    about = f"{array.dtype} {array.shape} ".encode()
    return _hash(about, array.reshape(-1).view(np.uint8))


def _hash(*parts: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
