"""The attention that another layer was given: one of ours, or one that is asked as ours are."""

import inspect
from collections.abc import Mapping
from typing import Any

from s2s_zoo.layers.config import LayerSpec, build_from

# What stands here for the attentions of Keras, which take their inputs as a list or by other names.
INSTEAD = {
    "AdditiveAttention": "BahdanauAttention(units)",
    "Attention": "LuongAttention('dot')",
    "MultiHeadAttention": "MultiHeadAttention(heads, head_dim)",
}


def given_attention(
    table: Mapping[str, Any], attention: LayerSpec | None, owner: str, name: str = "attention"
) -> Any:
    """Makes, or takes, the attention of a layer.

    Args:
        table: dict from names to attentions.
        attention: as `build_from` has it.
        owner: str, the class that asks, for the error.
        name: str, of a new layer.

    Returns:
        the layer, or None of None. Its mask comes by name, so it does without the one of Keras.

    Raises:
        ValueError: as `build_from`, and for a layer that cannot be asked as ours are.
    """
    layer = build_from(table, attention, "attention", name=name)
    if layer is None:
        return None
    if lacking := _lacking(layer):
        ours = INSTEAD.get(type(layer).__name__, "one of s2s_zoo.attention")
        raise ValueError(
            f"{owner} expected an attention with build(query_shape, value_shape), project(value) "
            "and call(query, value, mask=None, keys=None). Received: "
            f"{type(layer).__name__}, which lacks {' and '.join(lacking)}. Use {ours}, or put it "
            "into a layer of yours that has them: docs/guides/layers.md."
        )
    layer.supports_masking = True
    return layer


def _lacking(layer):
    lacking = []
    try:
        inspect.signature(layer.build).bind((), ())
    except TypeError:
        lacking.append("this build")
    if not callable(getattr(layer, "project", None)):
        lacking.append("project")
    parameters = inspect.signature(layer.call).parameters
    takes_any = any(x.kind is inspect.Parameter.VAR_KEYWORD for x in parameters.values())
    missing = [x for x in ("mask", "keys") if x not in parameters and not takes_any]
    return lacking + [f"{x} of call" for x in missing]
