"""A model of speech that reads a prompt before it writes, as searches and callers need it."""

from typing import Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.generation.forward import compile_forward, outputs_of
from s2s_zoo.generation.scores import log_softmax
from s2s_zoo.generation.speech_rules import SpeechRules
from s2s_zoo.layers.encoded import encoder_output
from s2s_zoo.layers.sequences import repeat_rows
from s2s_zoo.protocol.types import Nest, Tensor


class Prompted:
    """What a `Generator` searches with: sources that are encoded, prompts, and the rules.

    A source is a dict of "memory" (B, S, D), what an encoder gave, and "prompt" (B, P) int; what
    is written follows on the prompt and counts from there.

    Args:
        model: a `Seq2Seq` whose decoder has `read`.
        rules: SpeechRules.
    """

    def __init__(self, model: Any, rules: SpeechRules) -> None:
        self.model = model
        self.decoder = _PromptedDecoder(model.decoder, rules)
        self.dtype_policy, self.compute_dtype = model.dtype_policy, model.compute_dtype

    def encode(self, source: dict[str, Tensor]) -> dict[str, Tensor]:
        """Nothing is left to encode."""
        return source


class _PromptedDecoder:
    def __init__(self, decoder, rules):
        self.decoder = decoder
        self.rules = rules
        self.vocabulary_size = decoder.vocabulary_size

    def init(self, source: dict[str, Tensor], max_length: int) -> tuple[Nest, Nest]:
        prompt = ops.cast(source["prompt"], "int32")
        width = prompt.shape[1]
        encoded = encoder_output(ops.cast(source["memory"], self.decoder.compute_dtype))
        memory, state = self.decoder.init(encoded, width - 1 + max_length)
        if width > 1:
            _, state = self.decoder.read(prompt[:, :-1], state, memory)
        memory = {**memory, "last": prompt[:, -1], "read": ops.zeros_like(prompt[:, :-1])}
        return memory, {"decoder": state, "rules": self.rules.init(prompt)}

    def for_copies(self, memory: Nest, copies: int) -> Nest:
        """The memory for a state in which every row stands `copies` times, side by side."""
        own = {name: memory[name] for name in ("last", "read")}
        read = {name: memory[name] for name in ("mask", "layers")}
        return {**self.decoder.for_copies(read, copies), **repeat_rows(own, copies)}

    def step(
        self, tokens: Tensor, index: Tensor, state: Nest, memory: Nest, output: Any = None
    ) -> tuple[Tensor, Nest]:
        read = memory["read"].shape[1]
        asked = ops.where(ops.equal(index, 0), memory["last"], tokens)
        memory = {name: memory[name] for name in ("mask", "layers")}
        logits, decoder = self.decoder.step(asked, index + read, state["decoder"], memory, output)
        logits, past = self.rules.restrict(logits, tokens, index, state["rules"])
        return logits, {"decoder": decoder, "rules": past}


class Listener(keras.Model):
    """Encodes windows of sound and says what the model expects after a prompt, compiled.

    Args:
        model: a `Seq2Seq` whose decoder has `read`.
        run_eagerly: bool.

    Call arguments:
        inputs: dict of "prompt" (B, P) int and "source", a batch of what the encoder reads, or
            "memory" (B, S, D), what it gave.

    Returns:
        dict of "memory" (B, S, D) and "log_probs" (B, V) float32, of the token after the prompt.
    """

    def __init__(self, model: Any, run_eagerly: bool = False) -> None:
        super().__init__(name="listener", dtype=model.dtype_policy)
        self.model = model
        self.built = True
        compile_forward(self, run_eagerly=run_eagerly)

    def call(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        if "source" in inputs:
            encoded = self.model.encode(inputs["source"])
        else:
            encoded = encoder_output(ops.cast(inputs["memory"], self.compute_dtype))
        prompt, decoder = ops.cast(inputs["prompt"], "int32"), self.model.decoder
        memory, state = decoder.init(encoded, prompt.shape[1] + 1)
        x, _ = decoder.read(prompt, state, memory)
        return {"memory": encoded.memory, "log_probs": log_softmax(decoder.logits(x[:, -1]))}

    def listen(self, prompt: np.ndarray, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """As `call`, of numpy arrays."""
        outputs = outputs_of(self, {"prompt": np.asarray(prompt, "int32"), **inputs})
        return {name: np.asarray(ops.convert_to_numpy(x)) for name, x in outputs.items()}


class Watcher(keras.Model):
    """Says what some heads of a decoder look at while it reads, compiled.

    Args:
        model: a `Seq2Seq` whose decoder has `weights_of`.
        heads: list of (layer, head).
        run_eagerly: bool.

    Call arguments:
        inputs: dict of "memory" (B, S, D), what the encoder gave, and "target" (B, T) int.

    Returns:
        dict of "weights" (B, heads, T, S) float32.
    """

    def __init__(self, model: Any, heads: list[tuple[int, int]], run_eagerly: bool = False) -> None:
        super().__init__(name="watcher", dtype=model.dtype_policy)
        self.model = model
        self.heads = heads
        self.built = True
        compile_forward(self, run_eagerly=run_eagerly)

    def call(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        encoded = encoder_output(ops.cast(inputs["memory"], self.compute_dtype))
        target = ops.cast(inputs["target"], "int32")
        return {"weights": self.model.decoder.weights_of(target, encoded, self.heads)}

    def watch(self, memory: np.ndarray, target: np.ndarray) -> np.ndarray:
        """As `call`, of numpy arrays; the weights alone."""
        outputs = outputs_of(self, {"memory": memory, "target": np.asarray(target, "int32")})
        return np.asarray(ops.convert_to_numpy(outputs["weights"]))
