"""Search with a Keras model that has no step: it reads the whole text so far for every token."""

from typing import Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.generation.loop import write
from s2s_zoo.generation.numbering import Numbering
from s2s_zoo.protocol.types import Nest, Tensor

ROLES = ("source", "target", "source_mask", "target_mask")
KNOWN = (  # inputs that are a dict: ours, and those of KerasHub
    {"source": "source", "target": "target"},
    {
        "encoder_token_ids": "source",
        "encoder_padding_mask": "source_mask",
        "decoder_token_ids": "target",
        "decoder_padding_mask": "target_mask",
    },
)
# In the names of two inputs.
WORDS = {"source": "source", "encoder": "source", "target": "target", "decoder": "target"}


class Rerun:
    """A Keras model from source and target to logits, made to `encode`, `init` and `step`.

    A step calls the model on the source and a target of T places, padding behind the text so far.
    That is right for every model whose logits of a position depend on the target up to it, and
    slow: T places of work for one token.

    Args:
        model: keras.Model that was called or built.
        inputs: as `Generator` has it.
        ids: Numbering, the special ids of the model.
        from_logits: bool, whether the model gives logits, or else probabilities.
        max_length: int, T.

    Raises:
        ValueError: for a model that cannot be used so.
    """

    def __init__(
        self, model: Any, inputs: Nest, ids: Numbering, from_logits: bool, max_length: int
    ) -> None:
        if not model.built:
            raise ValueError(
                "Generator expected a model that has its weights. Received: "
                f"{model.name!r}, which was never called. Call it, train it or load its weights."
            )
        self.model, self.ids, self.from_logits = model, ids, from_logits
        self.width = max_length
        self.checked = False
        places = _places(model)
        self.inputs = _known_inputs(model, places) if inputs is None else inputs
        self._check_inputs(places)
        if (outputs := getattr(model, "output", None)) is not None:
            self._check_outputs(outputs)

    def encode(self, source: Tensor) -> Tensor:
        """The source itself: the model reads it at every step."""
        return ops.convert_to_tensor(source)

    def init(self, encoded: Tensor, max_length: int) -> tuple[Nest, Nest]:
        """The source (B, ...) as memory; as state a target (B, T) of padding."""
        shape = (ops.shape(encoded)[0], self.width)
        return {"source": encoded}, {"target": ops.full(shape, self.ids.pad, dtype="int32")}

    def step(self, tokens: Tensor, index: Tensor, state: Nest, memory: Nest) -> tuple[Tensor, Nest]:
        """One step: tokens (N,) int at position `index` to logits (N, V) and the next state."""
        target = write(state["target"], index, tokens)
        logits = ops.take(self._outputs(memory["source"], target, index), index, axis=1)
        if not self.from_logits:
            smallest = np.finfo("float32").tiny
            logits = ops.log(ops.maximum(ops.cast(logits, "float32"), smallest))
        return logits, {"target": target}

    def check(self, source: Any) -> None:
        """Runs the model once, on the first row of a source (B, ...) and two targets.

        Raises:
            ValueError: if it gives probabilities for logits, or knows the tokens to come.
        """
        if self.checked:
            return
        ids = self.ids
        targets = np.full((2, self.width), ids.pad, "int32")
        targets[1] = ids.end if ids.end != ids.pad else ids.start
        targets[:, 0] = ids.start
        source = ops.repeat(ops.convert_to_tensor(source)[:1], 2, axis=0)
        outputs = self._outputs(source, ops.convert_to_tensor(targets), self.width - 1)
        if outputs.shape[1] != self.width:
            raise ValueError(
                f"Generator expected logits (B, T, V) of {self.width} places, those of the target. "
                f"Received: {self.model.name!r}, which gives {outputs.shape[1]}. Where its inputs "
                "are [target, source], say so: inputs=['target', 'source']."
            )
        one, other = ops.convert_to_numpy(ops.cast(outputs[:, 0], "float32"))
        exact = keras.backend.standardize_dtype(outputs.dtype) == "float32"
        if np.abs(one - other).max() > (1e-4 if exact else 0.05) * np.abs(one).max():
            raise ValueError(
                "Generator expected logits that depend on the tokens up to their position. "
                f"Received: {self.model.name!r}, whose first ones change with the tokens that "
                "come later. Give its decoder a causal mask and train it again; where its inputs "
                "are [target, source], say so: inputs=['target', 'source']."
            )
        probable = bool(one.min() >= 0 and abs(one.sum() - 1) < 0.01)
        if probable == self.from_logits:
            gives = ("probabilities", "logits")
            raise ValueError(
                f"Generator expected {gives[probable]}, with from_logits={self.from_logits}. "
                f"Received: {gives[not probable]} of {self.model.name!r}, from {one.min():.3g} to "
                f"{one.max():.3g}. Use from_logits={not self.from_logits}."
            )
        self.checked = True

    def _outputs(self, source, target, index):
        """What the model gives (N, T, V) for a target (N, T) that is read up to `index`."""
        tensors = {"source": source, "target": target}
        roles = keras.tree.flatten(self.inputs)
        if "source_mask" in roles:
            tensors["source_mask"] = ops.not_equal(source, self.ids.pad)
        if "target_mask" in roles:
            # By place and not by id: START is read also where it has the id of padding.
            read = ops.arange(self.width, dtype="int32") <= index
            tensors["target_mask"] = ops.broadcast_to(read, ops.shape(target))
        outputs = self.model(keras.tree.map_structure(tensors.get, self.inputs), training=False)
        self._check_outputs(outputs)
        return outputs

    def _check_inputs(self, places):
        roles = keras.tree.flatten(self.inputs)
        if not {"source", "target"} <= {*roles} <= {*ROLES} or len({*roles}) < len(roles):
            raise ValueError(
                "Generator expected inputs with 'source' and 'target', and perhaps 'source_mask' "
                f"and 'target_mask', once each. Received: inputs={self.inputs!r}."
            )
        if places is None:
            return
        if _names(self.inputs) != _names(places):
            raise ValueError(
                f"Generator expected inputs for those of {self.model.name!r}: {_names(places)}. "
                f"Received: inputs={self.inputs!r}."
            )
        shape = keras.tree.flatten(places)[roles.index("target")].shape
        if len(shape) != 2:
            raise ValueError(
                "Generator expected a model that reads the ids of a target (B, T). Received: "
                f"{self.model.name!r}, which reads {tuple(shape)}. Embed them, or encode them "
                "one-hot, inside the model."
            )
        if shape[1] is not None and self.width > shape[1]:
            raise ValueError(
                f"Generator expected max_length of at most {shape[1]}, the length of target that "
                f"{self.model.name!r} reads. Received: max_length={self.width}."
            )
        self.width = shape[1] or self.width

    def _check_outputs(self, outputs):
        shape = getattr(outputs, "shape", None)
        if shape is None or len(shape) != 3 or shape[-1] is None:
            received = _names(outputs) if shape is None else tuple(shape)
            raise ValueError(
                "Generator expected a model that gives logits (B, T, V) and nothing else. "
                f"Received: {self.model.name!r}, which gives {received}. Make a keras.Model that "
                "does."
            )
        self.ids.check(shape[-1], repr(self.model.name))


def _places(model):
    """What a model reads, as a nest of symbolic tensors; None if it does not say."""
    symbolic = getattr(model, "input", None)
    if symbolic is not None:
        return symbolic
    built = (model.get_build_config() or {}).get("input_shape")
    return None if built is None else _ranks(built)


def _ranks(shapes):
    """Symbolic tensors of open sizes for a nest of shapes."""
    if isinstance(shapes, dict):
        return {name: _ranks(shape) for name, shape in shapes.items()}
    if all(isinstance(size, int | None) for size in shapes):
        return keras.KerasTensor((None,) * len(shapes), dtype="int32")
    return [_ranks(shape) for shape in shapes]


def _names(nest):
    """The names of a dict, or how many there are."""
    return sorted(nest) if isinstance(nest, dict) else len(keras.tree.flatten(nest))


def _named(names):
    """Which of two names is that of the source and which of the target; None if they do not say."""
    roles = [{role for word, role in WORDS.items() if word in name.lower()} for name in names]
    for order in (["source", "target"], ["target", "source"]):
        if any(roles) and all(found <= {role} for found, role in zip(roles, order, strict=True)):
            return order
    return None


def _known_inputs(model, places):
    if places is None:
        return ["source", "target"]
    if isinstance(places, list | tuple) and len(places) == 2:
        return _named([x.name for x in places]) or ["source", "target"]
    if isinstance(places, dict):
        for inputs in KNOWN:
            if inputs.keys() == places.keys():
                return inputs
        if len(places) == 2 and (roles := _named([*places])):
            return dict(zip(places, roles, strict=True))
        remedy = "Say what they are: inputs={'a': 'source', 'b': 'target'}."
    elif isinstance(places, list | tuple):
        remedy = "Say what they are: inputs=['source', 'source_mask', 'target']."
    else:
        remedy = "The target so far has to be one of them."
    raise ValueError(
        "Generator expected a model from [source, target], or from a dict of them, to logits. "
        f"Received: {model.name!r}, whose inputs are {_names(places)}. {remedy}"
    )
