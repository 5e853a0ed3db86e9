"""What a search needs of a model, whatever kind of model it is."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from s2s_zoo.generation.numbering import OURS, Numbering
from s2s_zoo.generation.rerun import Rerun
from s2s_zoo.generation.within import decoder_within
from s2s_zoo.protocol.types import Nest, Step


@dataclass(frozen=True)
class Steps:
    """The three functions of a search.

    Attributes:
        encode: function of a source to anything.
        init: function of that and the longest target to memory and state.
        step: see `greedy_search`; of ids of the model.
        decoder: what holds `init` and `step`.
    """

    encode: Callable[..., Any]
    init: Callable[..., tuple[Nest, Nest]]
    step: Step
    decoder: Any


def steps_of(
    model: Any,
    ids: dict[str, int | None],
    inputs: Nest = None,
    from_logits: bool = True,
    max_length: int = 128,
) -> tuple[Steps, Numbering]:
    """Finds the step of a model, or makes one. Arguments: as `Generator` has them.

    Args:
        ids: dict of pad_id, start_id and end_id.

    Raises:
        ValueError: for a model that cannot be searched; the message says what is missing.
    """
    numbering = Numbering(**ids)
    if inspect.isclass(model):
        raise ValueError(
            f"Generator expected a model. Received: the class {model.__name__}. Make a model of "
            f"it, {model.__name__}(…), and give it its weights."
        )
    decoder: Any
    for decoder in (getattr(model, "decoder", None), model):
        if not _missing(model, decoder):
            if inputs is not None or not from_logits:
                raise ValueError(
                    "Generator expected inputs and from_logits only for a model without `step`. "
                    f"Received: inputs={inputs!r}, from_logits={from_logits!r} with "
                    f"{type(model).__name__}. Leave them out."
                )
            return Steps(model.encode, decoder.init, decoder.step, decoder), numbering
    made = None
    if isinstance(model, keras.Model) and inputs is None and from_logits:
        made = decoder_within(model)
    if made is not None:
        encode, decoder = made
        return Steps(encode, decoder.init, decoder.step, decoder), numbering
    lacking = [f"`{name}`" for name in _missing(model, getattr(model, "decoder", model))]
    unsaid = [name for name in OURS if ids.get(name) is None]
    if not isinstance(model, keras.Model):
        reason = f"which lacks {' and '.join(lacking)}"
    elif unsaid:
        reason = f"which lacks {' and '.join(lacking)}, without {' and '.join(unsaid)}"
    else:
        rerun = Rerun(model, inputs, numbering, from_logits, max_length)
        return Steps(rerun.encode, rerun.init, rerun.step, rerun), numbering
    raise ValueError(
        "Generator expected a model with `encode` whose decoder, or which itself, has `init` and "
        "`step`; or a keras.Model from [source, target] to logits, with pad_id, start_id and "
        f"end_id. Received: {type(model).__name__}, {reason}."
    )


def _missing(model, decoder):
    wanted = ((model, "encode"), (decoder, "init"), (decoder, "step"))
    return [name for owner, name in wanted if not callable(getattr(owner, name, None))]


def layers_in(holder: Any) -> list[keras.Layer]:
    """The layers among the attributes of an object, or in lists and dicts there."""
    attributes = keras.tree.flatten(getattr(holder, "__dict__", {}))
    return [value for value in attributes if isinstance(value, keras.Layer)]
