"""Generator: a model and a search, compiled into one function."""

from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from s2s_zoo.generation.forward import compile_forward, outputs_of
from s2s_zoo.generation.greedy import greedy_search
from s2s_zoo.generation.narrowing import narrowed
from s2s_zoo.generation.options import OPTIONS, check_search, check_values, compiled_options
from s2s_zoo.generation.rerun import Rerun
from s2s_zoo.generation.rows import static_shapes
from s2s_zoo.generation.steps import layers_in, steps_of
from s2s_zoo.generation.strategies import STRATEGIES
from s2s_zoo.layers.policy import UnderPolicy
from s2s_zoo.protocol import SearchResult
from s2s_zoo.protocol.registry import check_keys, lookup
from s2s_zoo.protocol.types import Nest, Tensor

PER_ROW = ("max_lengths", "open_lengths", "forced_prefix")
NUMBERS = {"kept": "int32"} | {
    name: "int32" if option.kind is int else "float32"
    for name, option in OPTIONS.items()
    if option.number
}
RECORDED = {
    "greedy": ("return_scores", "return_alignments"),
    "beam": ("return_alignments",),
    "sample": ("return_alignments",),
}


class Generator(keras.Model):
    """Encodes sources and searches for targets, the whole loop compiled once per input shape.

    The model is shared, not copied: training it changes what the generator writes. It is one of

    - a `Seq2Seq`, or another with `encode` and a `decoder` that has `init` and `step`;
    - anything with `encode(source)`, `init(encoded, max_length) -> (memory, state)` and
      `step(tokens, index, state, memory) -> (logits, state)`, see `greedy_search`. If it is no
      Keras layer, those it holds are found among its attributes;
    - a functional model from `[source, target]`, or a dict of them, whose logits a decoder of ours
      gives: the step is that of the decoder;
    - any other Keras model from `[source, target]`, or a dict, to logits (B, T, V), functional or
      subclassed, KerasHub's `BartSeq2SeqLM(backbone, preprocessor=None)` too. It has no step, so it
      runs on the whole target for every token: the same answers, T times the work.

    Args:
        model: see above.
        strategy: "greedy", "beam" or "sample".
        max_length: int, T, the most tokens of a target, END counted.
        jit_compile: bool or "auto": XLA (JAX, TensorFlow) or torch.compile. "auto" compiles with
            XLA on JAX only; TensorFlow then runs a graph and torch runs eagerly.
        run_eagerly: bool, compile nothing: quicker for a single short text.
        seed: int, keras.random.SeedGenerator or None, for "sample". Calls go on in one random
            sequence.
        pad_id, start_id, end_id: int, where the model has these tokens; they may share an id. None
            is ours, for a model with `step`; the others need all three. All ids that the generator
            takes and gives are then those of the model.
        inputs: of a model without `step`: what it is called with, "source", "target",
            "source_mask" and "target_mask" (True where real) in the places of the tensors, such
            as `{"x": "source", "y": "target"}`. None finds them in the names of two inputs, which
            speak of source or encoder, target or decoder, and in those of KerasHub; a list of two
            that do not say is [source, target].
        from_logits: bool, of a model without `step`: False if it gives probabilities.
        **options: of the strategy and of `Rules`, the same for every row and every call.

    Call arguments:
        inputs: dict of "source" and, where wanted, "max_lengths" (B,), "forced_prefix" (B, P) and
            what is in `NUMBERS` (), in place of the option of that name, and "noise" of `sample`.
            With "ids" (L,) and "allowed" (B, L) the search is among these tokens alone, see
            `narrowed`; the tokens of its options and of the prefix are then their places in "ids",
            of which the first four are the special ones.

    Returns:
        dict of the fields of SearchResult that were computed.

    Raises:
        ValueError: for an unknown strategy or option; the message names the nearest. For a model
            that cannot be searched; the message says what is missing.
    """

    def __init__(
        self,
        model: Any,
        strategy: str = "beam",
        max_length: int = 128,
        jit_compile: bool | Literal["auto"] = "auto",
        run_eagerly: bool = False,
        seed: Any = None,
        pad_id: int | None = None,
        start_id: int | None = None,
        end_id: int | None = None,
        inputs: Nest = None,
        from_logits: bool = True,
        **options: Any,
    ) -> None:
        check_values(max_length=max_length)
        ids = {"pad_id": pad_id, "start_id": start_id, "end_id": end_id}
        steps, numbering = steps_of(model, ids, inputs, from_logits, max_length)
        # Numbers stay as exact as they are given; only the weights are cast, in `UnderPolicy`.
        policy = getattr(model, "dtype_policy", None)
        super().__init__(name="generator", dtype=policy, autocast=False)
        self.under_policy = UnderPolicy(dtype=policy)
        self.search = lookup(STRATEGIES, strategy, "search strategy")
        check_keys(options, keys_of(strategy), f"{strategy} search")
        self.steps, self.ids = steps, numbering
        self.model = model
        self.parts = [] if isinstance(model, keras.Layer) else layers_in(model)
        self.max_length = max_length
        if "suppress_tokens" in options:
            suppressed = self.ids.ours_of_suppressed(options["suppress_tokens"])
            options = {**options, "suppress_tokens": suppressed}
        check_search(strategy, options, max_length, getattr(self.steps, "decoder", None))
        self.options = options
        self.seed_generator = None
        if strategy == "sample":
            given = isinstance(seed, keras.random.SeedGenerator)
            self.seed_generator = seed if given else keras.random.SeedGenerator(seed)
        elif seed is not None:
            raise ValueError(
                f"Generator expected a seed with strategy='sample' only. Received: seed={seed}, "
                f"strategy={strategy!r}."
            )
        self.built = True
        compile_forward(self, jit_compile, run_eagerly)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(inputs, dict) or "source" not in inputs:
            kind = ", ".join(inputs) if isinstance(inputs, dict) else type(inputs).__name__
            raise ValueError(
                'Generator expected a dict with "source". Received: '
                f"{kind or 'an empty one'}. For a source alone there is generator.generate(source)."
            )
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: dict[str, Any]) -> dict[str, Tensor]:
        return self.under_policy(function=lambda: self._search(inputs))

    def _search(self, inputs):
        steps = self.steps
        memory, state = steps.init(steps.encode(inputs["source"]), self.max_length)
        options = {**self.options, **options_in(inputs), **self._of_source(inputs)}
        if "noise" in inputs:
            options["noise"] = inputs["noise"]
        elif self.seed_generator is not None:
            options["seed"] = self.seed_generator
        if "forced_prefix" in options and not self.ids.is_ours:
            options["forced_prefix"] = self.ids.ours_of_prefix(options["forced_prefix"])
        batch_size = ops.shape(keras.tree.flatten(inputs["source"])[0])[0]
        if self.search is not greedy_search and hasattr(steps.decoder, "for_copies"):
            options["for_copies"] = steps.decoder.for_copies
        step = steps.step if self.ids.is_ours else self.ids.of_search(steps.step)
        if "ids" in inputs:
            self._check_narrowing()
            step, memory = narrowed(steps.decoder, memory, inputs["ids"], inputs["allowed"])
        with static_shapes(self.jit_compile):
            result = self.search(step, state, memory, batch_size, self.max_length, **options)
        if "ids" in inputs:
            result = result._replace(tokens=ops.take(inputs["ids"], result.tokens))
        elif not self.ids.is_ours:
            result = result._replace(tokens=self.ids.theirs(result.tokens))
        return {key: value for key, value in result._asdict().items() if value is not None}

    def generate(
        self,
        source: Tensor,
        max_lengths: Tensor | None = None,
        forced_prefix: Tensor | None = None,
        ids: Tensor | None = None,
        allowed: Tensor | None = None,
        open_lengths: Tensor | None = None,
        noise: np.ndarray | None = None,
        **numbers: float,
    ) -> SearchResult:
        """Runs the compiled search.

        Args:
            source: array, a batch of what the encoder reads; lists of ids are one too.
            max_lengths: (B,) int or None, the limit of each row.
            forced_prefix: (B, P) int or None, padded with PAD.
            ids, allowed: (L,) int and (B, L) bool, or None.
            open_lengths: (B,) int or None: see `Rules`.
            noise: of `sample`, in place of the seed, or None.
            **numbers: of `NUMBERS`, in place of the options. Other values compile nothing.

        Returns:
            SearchResult of numpy arrays.

        Raises:
            ValueError: for rows of several lengths, or none.
        """
        source = batch_of(source)
        if isinstance(self.steps.decoder, Rerun):
            self.steps.decoder.check(source)
        given = call_inputs(max_lengths, forced_prefix, ids, allowed, **numbers)
        inputs = {"source": source, **given}
        if open_lengths is not None:
            inputs["open_lengths"] = np.asarray(open_lengths, "int32")
        if noise is not None:
            inputs["noise"] = noise
        outputs = outputs_of(self, inputs)
        return SearchResult(*map(outputs.get, SearchResult._fields))

    def _of_source(self, inputs):
        """The source for the rules, where one asks for it."""
        if not self.options.get("encoder_no_repeat_ngram_size"):
            return {}
        if not self.ids.is_ours or "ids" in inputs:
            raise ValueError(
                "encoder_no_repeat_ngram_size is for a model with our special ids, and for no "
                "shortlist. Leave it out, or the shortlist."
            )
        return {"source": inputs["source"]}

    def _check_narrowing(self):
        if not self.ids.is_ours or not hasattr(self.steps.decoder, "output_rows"):
            raise ValueError(
                'Generator expected "ids" and "allowed" for a model with our special ids, whose '
                f"decoder has `output_rows`. Received: {type(self.model).__name__}. Leave them out."
            )


def batch_of(source: Any) -> Any:
    """A source as an array where it is a list, checked.

    Raises:
        ValueError: for rows of several lengths, or none.
    """
    if isinstance(source, list):
        if len({len(row) for row in source if isinstance(row, list | tuple)}) > 1:
            raise ValueError(
                "generate expected rows of one length. Received: rows of "
                f"{sorted({len(row) for row in source})} ids. Fill the shorter ones with PAD, 0."
            )
        source = np.asarray(source)
    if any(x.shape[0] == 0 for x in keras.tree.flatten(source) if getattr(x, "shape", ())):
        raise ValueError("generate expected at least one row. Received: a source without any.")
    return source


def call_inputs(
    max_lengths: Tensor | None = None,
    forced_prefix: Tensor | None = None,
    ids: Tensor | None = None,
    allowed: Tensor | None = None,
    **numbers: float,
) -> dict[str, np.ndarray]:
    """What a compiled search takes beside the source, as arrays; None is left out."""
    given = {"max_lengths": max_lengths, "forced_prefix": forced_prefix, "ids": ids}
    inputs = {name: np.asarray(x, "int32") for name, x in given.items() if x is not None}
    inputs |= {name: np.asarray(x, NUMBERS[name]) for name, x in numbers.items()}
    return inputs if allowed is None else {**inputs, "allowed": np.asarray(allowed, "bool")}


def options_in(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """What of the inputs of a compiled search are options of its strategy and its rules."""
    return {name: x for name, x in inputs.items() if name in PER_ROW or name in NUMBERS}


def keys_of(strategy: str) -> set[str]:
    """What a search of a strategy is made with: its options, and what of it is recorded."""
    return {*compiled_options(strategy), *RECORDED[strategy]}
