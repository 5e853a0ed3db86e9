"""Generator over models of other makes: with a step of their own, or none."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders import TransformerDecoder
from s2s_zoo.encoders import TransformerEncoder
from s2s_zoo.generation import STRATEGIES, Generator
from s2s_zoo.model.seq2seq import Seq2Seq
from s2s_zoo.protocol import END, PAD, START
from tests.generation.test_generator import OPTIONS, small_model
from tests.generation.toy import RULES, Toy, texts

OURS = {"pad_id": PAD, "start_id": START, "end_id": END}
LENGTH, VOCABULARY = 6, 12
QUICK = {"run_eagerly": keras.backend.backend() != "jax"}  # there every operation is compiled


class Plain:
    """The toy with the three functions alone: no Keras model, no decoder."""

    def __init__(self, toy):
        self.toy, self.step = toy, toy.step

    def encode(self, source):
        return {"rows": source[:, 0]}

    def init(self, encoded, max_length):
        rows = encoded["rows"]
        tables = {"biases": self.toy.biases, "keys": self.toy.keys, "mask": self.toy.mask}
        memory = {name: ops.take(table, rows, axis=0) for name, table in tables.items()}
        cells = ops.zeros((ops.shape(rows)[0], self.toy.recurrent.shape[0]))
        return memory, {"cells": [cells], "alignment": ops.zeros_like(memory["mask"], "float32")}


class Taught(keras.Model):
    """A model without a step, from a list or a dict of ids, around one that has one."""

    def __init__(self, model, names=None):
        super().__init__()
        self.model, self.names = model, names
        ids = np.ones((1, 2), "int32")
        self([ids, ids] if names is None else dict.fromkeys(names, ids))

    def call(self, inputs):
        source, target = inputs if self.names is None else map(inputs.get, self.names)
        return self.model({"source": source, "target": target})


def functional(model, activation=None):
    source, target = (keras.Input((None,), dtype="int32") for _ in range(2))
    logits = model({"source": source, "target": target})
    return keras.Model([source, target], keras.layers.Activation(activation)(logits))


def decided(model, seed=0):
    """The model with larger weights: no two texts are as good as each other."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(weight + rng.normal(size=weight.shape).astype("float32"))
    return model


def transformer():
    size = {"vocabulary_size": VOCABULARY, "embedding_dim": 8, "layers": 1, "heads": 2}
    return Seq2Seq(TransformerEncoder(**size), TransformerDecoder(**size))


def random_sources(rows, length=5, seed=0):
    rng = np.random.default_rng(seed)
    source = rng.integers(4, VOCABULARY, (rows, length)).astype("int32")
    lengths = rng.integers(1, length + 1, (rows, 1))
    return np.where(np.arange(length) < lengths, source, PAD)


@pytest.fixture(scope="module")
def recurrent():
    return decided(small_model())


def test_anything_with_encode_init_and_step():
    toy = Toy(seed=1)
    generator = Generator(Plain(toy), "beam", LENGTH, num_beams=3, num_return=2)
    result = generator.generate(np.array([[2], [0], [1], [1]], "int32"))
    expected = toy.search(STRATEGIES["beam"], LENGTH, rows=[2, 0, 1, 1], num_beams=3, num_return=2)
    assert texts(result) == texts(expected)
    np.testing.assert_allclose(result.scores, expected.scores, atol=1e-5)


def test_the_layers_of_an_object_are_followed_through_training():
    class Held:
        def __init__(self):
            self.layers = {"output": [keras.layers.Embedding(VOCABULARY, VOCABULARY)]}
            self.layers["output"][0].build()

        def encode(self, source):
            return source

        def init(self, encoded, max_length):
            return {"source": encoded}, {"count": ops.zeros_like(encoded[:, 0])}

        def step(self, tokens, index, state, memory):
            return self.layers["output"][0](tokens), state

    model = Held()
    table = model.layers["output"][0].embeddings
    generator = Generator(model, "greedy", 4)
    for favourite in (7, 9):
        table.assign(np.eye(VOCABULARY, dtype="float32")[[favourite] * VOCABULARY])
        found = texts(generator.generate(np.ones((1, 1), "int32")))
        assert found == [[[favourite] * 3 + [END]]]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_model_without_a_step_writes_what_its_step_would_on_200_inputs(strategy, recurrent):
    source = random_sources(200)
    one, other = (
        Generator(model, strategy, LENGTH, **OPTIONS[strategy], **ids).generate(source)
        for model, ids in ((recurrent, {}), (functional(recurrent), OURS))
    )
    np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
    assert len(np.unique(one.tokens, axis=0)) > 10


def test_a_transformer_without_a_step_writes_what_its_step_would_on_200_inputs():
    model, source = decided(transformer()), random_sources(200)
    one, other = (
        Generator(model, "beam", LENGTH, **QUICK, **ids).generate(source)
        for model, ids in ((model, {}), (functional(model), OURS))
    )
    np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


@pytest.mark.parametrize(
    ("names", "inputs"),
    [
        (None, None),
        (("source", "target"), None),
        (("words", "answer"), {"words": "source", "answer": "target"}),
    ],
)
def test_a_subclassed_model_from_a_list_or_a_dict(names, inputs, recurrent):
    source = random_sources(3)
    expected = Generator(recurrent, "greedy", 4, **QUICK).generate(source)
    model = Taught(recurrent, names)
    result = Generator(model, "greedy", 4, **QUICK, inputs=inputs, **OURS).generate(source)
    np.testing.assert_array_equal(result.tokens, expected.tokens)


class Renumbered(Taught):
    """A model whose ids are others: theirs[i] is what stands for our i."""

    theirs = np.array([3, 7, 0, 1, 2, 9, 4, 5, 6, 8, 10, 11], "int32")
    ids = {"pad_id": 3, "start_id": 7, "end_id": 0}

    def call(self, inputs):
        ours = np.argsort(self.theirs).astype("int32")
        source, target = (ops.take(ours, ops.cast(x, "int32")) for x in inputs)
        return ops.take(self.model({"source": source, "target": target}), ours, axis=-1)


@pytest.mark.parametrize("strategy", ["greedy", "beam"])
def test_all_rules_in_the_ids_of_the_model(strategy, recurrent):
    rules = dict(RULES["all"], suppress_tokens=(4, (5, 6), (7, END)))
    per_row = {name: rules.pop(name) for name in ("max_lengths", "forced_prefix")}
    source, options = random_sources(3), {**OPTIONS[strategy], **rules}
    expected = Generator(recurrent, strategy, LENGTH, **options).generate(source, **per_row)
    theirs = Renumbered.theirs
    options["suppress_tokens"] = (
        int(theirs[4]),
        (int(theirs[5]), int(theirs[6])),
        (int(theirs[7]), int(theirs[END])),
    )
    per_row["forced_prefix"] = theirs[per_row["forced_prefix"]]
    generator = Generator(Renumbered(recurrent), strategy, LENGTH, **options, **Renumbered.ids)
    result = generator.generate(theirs[source], **per_row)
    np.testing.assert_array_equal(result.tokens, theirs[expected.tokens])
    np.testing.assert_allclose(result.scores, expected.scores, atol=1e-4)


class Chain:
    """A token depends on the one before alone; a model with a step, and without."""

    def __init__(self, table):
        self.table = np.log(np.array(table, "float32"))

    def encode(self, source):
        return source

    def init(self, encoded, max_length):
        return {"source": encoded}, {"count": ops.zeros_like(encoded)}

    def step(self, tokens, index, state, memory):
        return ops.take(self.table, tokens, axis=0), state

    def model(self):
        """The same from the four inputs of KerasHub: where nothing is to be read, it knows less."""
        names = ("encoder_token_ids", "encoder_padding_mask")
        names += ("decoder_token_ids", "decoder_padding_mask")
        inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
        embedding = keras.layers.Embedding(
            *self.table.shape, embeddings_initializer=keras.initializers.Constant(self.table)
        )
        logits = embedding(inputs["decoder_token_ids"])
        read = keras.layers.Minimum()([inputs[names[1]][:, :1], inputs[names[3]]])
        logits = keras.layers.Multiply()([logits, ops.cast(read, "float32")[:, :, None]])
        return keras.Model(inputs, logits)


SHARED = {  # the ids of pad, start and end, and what greedy search then writes
    "BART: start is end": ((1, 2, 2), [0, 3, 2, 1, 1]),
    "T5: start is pad": ((0, 0, 1), [2, 3, 1, 0, 0]),
    "GPT-2: all are one": ((3, 3, 3), [1, 2, 3, 3, 3]),
    "pad is end": ((2, 0, 2), [1, 3, 2, 2, 2]),
}


@pytest.mark.parametrize("case", SHARED)
@pytest.mark.parametrize("has_step", [True, False])
def test_special_tokens_may_share_an_id(case, has_step):
    (pad, start, end), expected = SHARED[case]
    table = np.full((4, 4), 0.05)
    for token, following in zip([start, *expected], expected, strict=False):
        if table[token].max() < 0.5:
            table[token, following] = 0.85
    chain = Chain(table)
    model = chain if has_step else chain.model()
    ids = {"pad_id": pad, "start_id": start, "end_id": end}
    generator = Generator(model, "greedy", 5, run_eagerly=True, **ids)
    result = generator.generate(np.array([[3 - pad]], "int32"))
    np.testing.assert_array_equal(result.tokens, [[expected]])
    length = expected.index(end) + 1
    np.testing.assert_allclose(result.scores, [[length * np.log(0.85)]], atol=1e-5)


# START is followed by a or b, a by END, b by b; after END comes what may.
AFTER = np.full((5, 5), 1e-6)
AFTER[START, [3, 4]] = 0.6, 0.4
AFTER[3, [END, 3, 4]] = 0.9, 0.05, 0.05
AFTER[4, 4] = AFTER[PAD, PAD] = 1
AFTER[END] = 0.2


@pytest.mark.parametrize("has_step", [True, False])
def test_a_finished_text_is_not_lost_to_a_long_one(has_step):
    """P(a END) = 0.54, P(b b b …) = 0.40: a beam that goes on behind END falls back."""
    chain = Chain(AFTER)
    model = chain if has_step else chain.model()
    generator = Generator(model, "beam", 6, num_beams=2, length_penalty=0.0, **QUICK, **OURS)
    result = generator.generate(np.ones((1, 1), "int32"))
    assert texts(result) == [[[3, END]]]
    np.testing.assert_allclose(np.exp(result.scores), [[0.54]], atol=1e-3)


def test_probabilities_that_are_said_to_be_some(recurrent):
    source = random_sources(3)
    model = functional(recurrent, "softmax")
    expected = Generator(recurrent, "greedy", LENGTH, **QUICK).generate(source)
    generator = Generator(model, "greedy", LENGTH, from_logits=False, **QUICK, **OURS)
    result = generator.generate(source)
    np.testing.assert_array_equal(result.tokens, expected.tokens)
    np.testing.assert_allclose(result.scores, expected.scores, atol=1e-4)


def test_a_target_of_fixed_length(recurrent):
    source, target = keras.Input((5,), dtype="int32"), keras.Input((8,), dtype="float32")
    ids = {"source": ops.cast(source, "int32"), "target": ops.cast(target, "int32")}
    model = keras.Model([source, target], recurrent(ids))
    expected = Generator(recurrent, "greedy", LENGTH, **QUICK).generate(random_sources(2))
    result = Generator(model, "greedy", LENGTH, **QUICK, **OURS).generate(random_sources(2))
    np.testing.assert_array_equal(result.tokens, expected.tokens)
    with pytest.raises(ValueError, match="max_length of at most 8.*Received: max_length=9"):
        Generator(model, "greedy", 9, **OURS)


class LooksAhead(Taught):
    def call(self, inputs):
        return super().call([inputs[0], ops.flip(inputs[1], axis=1)])


def of_inputs(*shapes, outputs=lambda *inputs: inputs[0]):
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs(*inputs))


class Never(keras.Model):
    def call(self, inputs):
        return inputs[0]


class Half:
    def encode(self, source):
        return source


REFUSED = {
    "nothing": (object, {}, "object, which lacks `encode` and `init` and `step`"),
    "half": (Half, OURS, "Half, which lacks `init` and `step`"),
    "without ids": (
        lambda: of_inputs((4,), (4,)),
        {"pad_id": 0},
        "without start_id and end_id",
    ),
    "without a target": (lambda: of_inputs((4,)), OURS, "whose inputs are 1.*target so far"),
    "three inputs": (lambda: of_inputs((4,), (4,), (4,)), OURS, "whose inputs are 3.*Say what"),
    "other names": (
        lambda: Taught(small_model(), ("words", "answer")),
        OURS,
        r"whose inputs are \['answer', 'words'\].*inputs={'a': 'source'",
    ),
    "wrong names": (
        lambda: Taught(small_model(), ("words", "answer")),
        {**OURS, "inputs": {"word": "source", "answer": "target"}},
        r"for those of .*\['answer', 'words'\]",
    ),
    "no target said": (
        lambda: of_inputs((4,), (4,)),
        {**OURS, "inputs": ["source", "source_mask"]},
        "with 'source' and 'target'",
    ),
    "never called": (Never, OURS, "was never called"),
    "one-hot targets": (
        lambda: of_inputs((4,), (4, 9), outputs=lambda x, y: y),
        OURS,
        r"reads \(None, 4, 9\)",
    ),
    "no logits": (lambda: of_inputs((4,), (None,)), OURS, r"gives \(None, 4\)"),
    "two outputs": (
        lambda: of_inputs((4,), (None,), outputs=lambda x, y: {"one": x, "two": y}),
        OURS,
        r"gives \['one', 'two'\]",
    ),
    "an id beyond": (
        lambda: functional(small_model()),
        {**OURS, "end_id": 12},
        "below 12.*end_id=12",
    ),
    "no id": (small_model, {"pad_id": -1}, "pad_id to be an id.*Received: -1"),
    "inputs of one with a step": (small_model, {"inputs": ["source", "target"]}, "without `step`"),
    "no length": (small_model, {"max_length": 0}, "max_length of at least 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_at_once(case):
    make, options, message = REFUSED[case]
    model = make()
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        Generator(model, "greedy", **options)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (
            lambda model: functional(model, "softmax"),
            {},
            "Received: probabilities.*Use from_logits=F",
        ),
        (functional, {"from_logits": False}, "Received: logits.*Use from_logits=True"),
        (LooksAhead, {}, "change with the tokens that come later. Give its decoder a causal mask"),
    ],
)
def test_refuses_what_the_first_source_shows(make, options, message, recurrent):
    generator = Generator(make(recurrent), "greedy", LENGTH, **options, **QUICK, **OURS)
    with pytest.raises(ValueError, match=message):
        generator.generate(random_sources(2))


@pytest.mark.parametrize("model", [Seq2Seq, keras.Model, Half])
def test_a_class_in_place_of_a_model_is_named(model):
    with pytest.raises(ValueError, match=f"Received: the class {model.__name__}. Make a model of"):
        Generator(model, "greedy")


def of_two(model, names, as_dict=False):
    """A functional model whose first input is the target."""
    target, source = (keras.Input((None,), dtype="int32", name=name) for name in names)
    logits = keras.layers.Identity()(model({"source": source, "target": target}))
    inputs = dict(zip(names, (target, source), strict=True)) if as_dict else [target, source]
    return keras.Model(inputs, logits)


@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize(
    "names",
    [
        ("target", "source"),
        ("decoder_inputs", "encoder_inputs"),  # of keras.io
        ("Target_ids", "words"),
        ("words", "source_tokens"),
    ],
)
def test_the_names_of_two_inputs_say_which_is_the_target(names, as_dict, recurrent):
    generator = Generator(of_two(recurrent, names, as_dict), "greedy", 4, **QUICK, **OURS)
    inputs = generator.steps.decoder.inputs
    roles = [inputs[name] for name in names] if as_dict else inputs
    assert roles == ["target", "source"]
    if names[0] == "target":
        source = random_sources(3)
        expected = Generator(recurrent, "greedy", 4, **QUICK).generate(source)
        np.testing.assert_array_equal(generator.generate(source).tokens, expected.tokens)


@pytest.mark.parametrize("names", [("a", "b"), ("target_a", "target_b"), ("encoded", "decoded")])
def test_a_list_that_does_not_say_is_source_and_target(names, recurrent):
    generator = Generator(of_two(recurrent, names), "greedy", 4, **QUICK, **OURS)
    assert generator.steps.decoder.inputs == ["source", "target"]
    with pytest.raises(
        ValueError, match=r"of 4 places.*gives 5. Where.*inputs=\['target', 'source"
    ):
        generator.generate(random_sources(2))
    with pytest.raises(
        ValueError, match=r"tokens that come later.*say so: inputs=\['target', 'sou"
    ):
        generator.generate(random_sources(2, length=4))


def test_refuses_an_id_beyond_the_logits_of_a_step():
    generator = Generator(Chain(AFTER), "greedy", 4, end_id=5, **QUICK)
    with pytest.raises(ValueError, match="below 5.*end_id=5"):
        generator.generate(np.ones((1, 1), "int32"))


def test_refuses_alignments_and_shortlists_of_a_model_without_them(recurrent):
    model, source = functional(recurrent), random_sources(1)
    with pytest.raises(ValueError, match="need a decoder whose state has the entry 'alignment'"):
        Generator(model, "greedy", 4, return_alignments=True, **QUICK, **OURS).generate(source)
    with pytest.raises(ValueError, match="decoder has `output_rows`. Received: Functional"):
        Generator(model, "greedy", 4, **QUICK, **OURS).generate(
            source, ids=np.arange(6), allowed=np.ones((1, 6), bool)
        )
