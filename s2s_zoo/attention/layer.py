"""What every attention is as a Keras layer: what it is called with, and what it gives."""

from typing import Any

import keras

from s2s_zoo.layers.config import ConfiguredLayer
from s2s_zoo.layers.encoded import check_mask, differ, shape_of
from s2s_zoo.layers.sequences import carried_mask
from s2s_zoo.protocol.types import Nest, Shape, Tensor


class AttentionLayer(ConfiguredLayer):
    """Looks at a memory: `context, weights = attention(query, value, mask=None, keys=None)`.

    The keys are projected inside. A loop over the target projects once, `keys = project(value)`,
    and gives them to every call.

    A subclass has `project`, which begins with `check_built`, `call`, which begins with
    `keys_and_mask`, and perhaps `keys_shapes`.

    Call arguments of all of them:
        query: (N, U), or (N, T, U) for all target positions at once.
        value: (N, S, D), the memory.
        mask: (N, S) bool, True where the position of the memory is real; where None, the mask that
            Keras carries along with `value`, if there is one.
        keys: what `project` made of `value`; where None it is called.
        history: what the mechanism needs of the steps before (`s2s_zoo.attention.history`); where
            None this is the first step, or with (N, T, U) all of them from the first on.
        value_mask: filled in by Keras.

    Returns:
        context (N, [T,] D) and float32 weights (N, [T,] S). A row without a real position has
        zero weights and a zero context.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) + ("query" in kwargs) + ("value" in kwargs) + ("keys" in kwargs) < 2:
            raise ValueError(
                f"{type(self).__name__} expected a value (N, S, D) or keys beside its query: "
                f"attention(query, value, mask=mask). Received: {len(args)} without a name, and "
                f"{', '.join(kwargs) or 'none'} by name. A list of inputs is not taken."
            )
        return super().__call__(*args, **kwargs)

    def build(self, query_shape: Shape, value_shape: Shape) -> None:
        self.widths = query_shape[-1], value_shape[-1]

    def check_built(self) -> None:
        """Raises ValueError for a layer that does not know the width of its query yet."""
        if not hasattr(self, "widths"):
            raise ValueError(
                f"{type(self).__name__}.project expected a layer that is built: keys may depend on "
                "the width of the query. Received: one that was never called. Call it once, or "
                f"{self.name}.build(query_shape, value_shape) first."
            )

    def keys_shapes(self, value_shape: Shape) -> list[Shape] | None:
        """The shapes of the tensors that `project` makes of a value (N, S, D), checked in `call`.

        None where an attention within checks its own.
        """
        return None

    def keys_and_mask(
        self,
        query: Tensor,
        value: Tensor | None,
        mask: Tensor | None,
        keys: Nest | None,
        value_mask: Tensor | None,
    ) -> tuple[Nest, Tensor | None]:
        """The keys, made here where they are not given, and the mask, checked."""
        mask = value_mask if mask is None else mask
        self.check(query, value, mask, keys)
        return self.project(value) if keys is None else keys, mask

    def check(
        self, query: Tensor, value: Tensor | None, mask: Tensor | None, keys: Nest | None
    ) -> None:
        """Raises ValueError for what `call` cannot use.

        That is a query or a memory of another rank, width or batch size, keys of another memory or
        layer, and a mask that is not bool or of another shape.
        """
        self._check_memory(query, value, keys)
        if keys is not None:
            self._check_keys(query, value, keys)
        # One of rank 4 says what each head or position may see.
        if mask is not None and len(getattr(mask, "shape", ())) != 4:
            check_mask(mask, value, type(self).__name__, query.shape[0])

    def _check_memory(self, query, value, keys):
        given, own = value is not None, "Use a layer of its own for another width."
        if len(query.shape) not in (2, 3) or (given and len(value.shape) != 3):
            expected = "a query (N, U) or (N, T, U) and a value (N, S, D)"
            remedy = "Call it as attention(query, value); a list of inputs is not taken."
        elif given and "float" not in (dtype := keras.backend.standardize_dtype(value.dtype)):
            expected = f"a value of floats, not of {dtype}"
            remedy = "Embed ids, or use keras.ops.cast(value, 'float32')."
        elif keys is None and not given:
            expected = "a value (N, S, D) or keys"
            remedy = "Give the memory, or keys=attention.project(memory)."
        elif query.shape[-1] != self.widths[0]:
            expected, remedy = f"a query of width {self.widths[0]}, as it was built for", own
        elif keys is None and value.shape[-1] != self.widths[1]:
            expected, remedy = f"a value of width {self.widths[1]}, as it was built for", own
        elif given and differ(query.shape[0], value.shape[0]):
            expected = "query and value of one batch size"
            remedy = "Repeat the memory for the queries: keras.ops.repeat(value, times, axis=0)."
        else:
            return
        raise ValueError(
            f"{type(self).__name__} expected {expected}. Received: query {shape_of(query)}, "
            f"value {shape_of(value)}. {remedy}"
        )

    def _check_keys(self, query, value, keys):
        length = None if value is None else value.shape[1]
        expected = self.keys_shapes((query.shape[0], length, self.widths[1]))
        found = [tuple(getattr(x, "shape", ())) for x in keras.tree.flatten(keys)]
        if expected is None:
            return
        sizes = [[y for x in shapes for y in x] for shapes in (found, expected)]
        alike = [*map(len, found)] == [*map(len, expected)]
        if not alike or any(map(differ, *sizes)):
            raise ValueError(
                f"{type(self).__name__} expected keys of {expected}, what its project makes of the "
                f"value. Received: keys of {found}, query {shape_of(query)}, value "
                f"{shape_of(value)}. Use keys=attention.project(value), or leave keys out."
            )

    def compute_mask(self, query: Tensor, previous_mask: Tensor | None = None) -> list[Any]:
        """The context is as real as its query; `previous_mask` may be that of the memory."""
        return [carried_mask(query), None]

    def compute_output_shape(self, query_shape: Shape, value_shape: Shape) -> tuple[Shape, Shape]:
        context = (*query_shape[:-1], value_shape[-1])
        return context, (*query_shape[:-1], value_shape[1])

    def compute_output_spec(
        self,
        query: Tensor,
        value: Tensor | None = None,
        mask: Tensor | None = None,
        keys: Nest | None = None,
        **others: Any,
    ) -> tuple[Tensor, Tensor]:
        self.check(query, value, others.get("value_mask") if mask is None else mask, keys)
        if value is None:
            return keras.Operation.compute_output_spec(self, query, None, mask, keys, **others)
        context, weights = self.compute_output_shape(query.shape, value.shape)
        return keras.KerasTensor(context, self.compute_dtype), keras.KerasTensor(weights, "float32")
