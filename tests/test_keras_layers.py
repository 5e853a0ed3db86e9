"""Every public layer as a Keras user meets it: in any model, from any file, on any backend."""

import inspect
import shutil
import warnings

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.testing import TestCase

import s2s_zoo
from s2s_zoo.attention import ATTENTIONS
from s2s_zoo.decoders import DECODERS
from s2s_zoo.encoders import ENCODERS
from tests import variants

IDS = np.array([[4, 5, 6, 7, 2], [8, 9, 2, 0, 0]], "int32")
TARGET = np.array([[1, 4, 5, 6], [1, 7, 8, 0]], "int32")
RNG = np.random.default_rng(0)
MEMORY = RNG.normal(size=(2, 5, 6)).astype("float32")
QUERY = RNG.normal(size=(2, 4, 6)).astype("float32")


def cases():
    """Of every class of the tables the layer, and what it is called with."""
    images = (RNG.random((2, 64, 96, 3)) * 255).astype("float32")
    sound = RNG.normal(size=(2, 7, variants.MELS)).astype("float32")
    patches = RNG.normal(size=(2, 7, 4 + 3 * variants.PATCH**2)).astype("float32")
    patches[..., :4] = 0, 1, 0, 2  # row and column
    text = {"vocabulary_size": variants.VOCABULARY, "embedding_dim": 6}
    asked = {"query": QUERY, "value": MEMORY, "mask": IDS != 0}
    read = {"target": TARGET, "encoded": MEMORY, "mask": IDS != 0}
    tables = [
        (ENCODERS, variants.ENCODER_VARIANTS, text, {"source": IDS}),
        (ENCODERS, variants.IMAGE_ENCODERS, {}, {"source": images}),
        (ENCODERS, variants.AUDIO_ENCODERS, {}, {"source": sound}),
        (ENCODERS, variants.PATCHES_ENCODERS, {}, {"source": patches}),
        (ATTENTIONS, variants.ATTENTION_VARIANTS, {}, asked),
        (DECODERS, variants.DECODER_VARIANTS, {**text, "units": 6, "attention": "luong"}, read),
    ]
    found = {}
    for table, options, defaults, inputs in tables:
        for variant in filter(None, options.values()):
            if variant.get("score") == "dot":  # nothing to train
                continue
            layer_class = table[variant["name"]]
            arguments = {k: v for k, v in {**defaults, **variant}.items() if k != "name"}
            known = inspect.signature(layer_class).parameters
            arguments = {k: v for k, v in arguments.items() if k in known}
            found.setdefault(layer_class.__name__, (layer_class, arguments, inputs))
    cells = {"cell": [keras.layers.LSTMCell(3), keras.layers.GRUCell(4)], "attention": "luong"}
    asked = {"inputs": QUERY, "memory": MEMORY, "mask": IDS != 0}
    samples = {"samples": RNG.uniform(-1, 1, (2, 1300)).astype("float32")}
    return {
        **found,
        "AttentionRNN": (s2s_zoo.AttentionRNN, cells, asked),
        "LogMelFeatures": (s2s_zoo.LogMelFeatures, {"mels": 5}, samples),
    }


CASES = cases()


@pytest.fixture(params=list(CASES))
def case(request):
    return CASES[request.param]


def numbers(outputs):
    return [ops.convert_to_numpy(x) for x in keras.tree.flatten(outputs)]


def assert_equal(found, expected, tolerance=1e-5):
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.float32(x), np.float32(y), atol=tolerance)


def functional(layer, arrays):
    shapes = {2: lambda x: (None,), 3: lambda x: (None, x.shape[-1]), 4: lambda x: x.shape[1:]}
    inputs = {
        name: keras.Input(shapes[x.ndim](x), dtype=str(x.dtype), name=name)
        for name, x in arrays.items()
    }
    return keras.Model(inputs, layer(**inputs))


def filled(layer):
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(0.3 * rng.normal(size=weight.shape))


def test_every_public_layer_is_here():
    public = [getattr(s2s_zoo, name) for name in s2s_zoo.__all__]
    public = [x for x in public if inspect.isclass(x) and issubclass(x, keras.layers.Layer)]
    assert {x.__name__ for x in public if not issubclass(x, keras.Model)} == set(CASES)


def test_eager_functional_subclassed(case, tmp_path):
    layer_class, arguments, arrays = case
    layer = layer_class(**arguments)
    eager = layer(**arrays)
    assert layer.built and all(keras.ops.is_tensor(x) for x in keras.tree.flatten(eager))
    filled(layer)
    eager = layer(**arrays)
    expected = numbers(eager)

    model = functional(layer_class(**arguments), arrays)
    model.set_weights(layer.get_weights())
    assert_equal(numbers(model(arrays)), expected)
    for symbol, x in zip(model.outputs, keras.tree.flatten(eager), strict=True):
        assert symbol.dtype == keras.backend.standardize_dtype(x.dtype)
        assert all(size in (None, real) for size, real in zip(symbol.shape, x.shape, strict=True))
    shapes = {f"{k}_shape": x.shape for k, x in arrays.items() if k != "mask"}
    shapes = keras.tree.flatten(layer.compute_output_shape(**shapes))
    assert shapes == [size for x in keras.tree.flatten(eager) for size in x.shape]

    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = layer_class(**arguments)

        def call(self, inputs):
            return self.layer(**inputs)

    subclassed = Subclassed()
    subclassed(arrays)
    subclassed.set_weights(layer.get_weights())
    assert_equal(numbers(subclassed(arrays)), expected)
    path = tmp_path / "some.weights.h5"
    subclassed.save_weights(path)
    subclassed.set_weights([0 * x for x in layer.get_weights()])
    subclassed.load_weights(path)
    assert_equal(numbers(subclassed(arrays)), expected)


def test_files_clones_and_summaries(case, tmp_path):
    layer_class, arguments, arrays = case
    model = functional(layer_class(**arguments, name="mine"), arrays)
    filled(model)
    expected = numbers(model(arrays))
    path = tmp_path / "some.keras"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)  # of h5py's with NumPy
        model.save(path)
        loaded = keras.models.load_model(path)
        clone = keras.models.clone_model(model)
    assert_equal(numbers(loaded(arrays)), expected)
    clone.set_weights(model.get_weights())
    assert_equal(numbers(clone(arrays)), expected)
    assert type(loaded.get_layer("mine")) is layer_class
    lines = []
    loaded.summary(print_fn=lambda line, **options: lines.append(line), line_length=80)
    row = "\n".join(lines).split("mine")[1]
    assert "(None" in row and "?" not in row


def test_a_step_of_training(case):
    layer_class, arguments, arrays = case
    if keras.backend.backend() == "jax" and layer_class is s2s_zoo.CNNEncoder:
        pytest.skip("XLA takes half a minute for a MobileNet")
    model = functional(layer_class(**arguments), arrays)
    model = keras.Model(model.inputs, model.outputs[0])
    if layer_class is s2s_zoo.LogMelFeatures:
        pytest.skip("nothing to train")
    model.compile("sgd", "mse", run_eagerly=keras.backend.backend() != "jax")
    before = [weight.copy() for weight in map(ops.convert_to_numpy, model.trainable_weights)]
    model.train_on_batch(arrays, numbers(model(arrays))[0] + 1)
    after = [ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    changed = [(x != y).any() for x, y in zip(before, after, strict=True)]
    assert any(changed) or not changed


def test_drawn_by_keras(case):
    pytest.importorskip("pydot")
    layer_class, arguments, arrays = case
    model = functional(layer_class(**arguments, name="mine"), arrays)
    drawn = keras.utils.model_to_dot(model, show_shapes=True, show_dtype=True, show_trainable=True)
    nodes = {node.get_name(): node.get("label") for node in drawn.get_nodes()}
    (name,) = (name for name, label in nodes.items() if label and "<b>mine</b>" in label)
    assert f"({layer_class.__name__})" in nodes[name] and "?" not in nodes[name]
    assert nodes[name].count("(None") >= 1 + len(model.outputs)
    edges = [edge.get_destination() for edge in drawn.get_edges()]
    assert edges == [name] * len(arrays)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_plotted_by_keras(tmp_path):
    pytest.importorskip("pydot")
    model = s2s_zoo.RecurrentEncoder(11, 4, 3), s2s_zoo.RecurrentDecoder(11, 4, 6)
    source, target = (keras.Input((None,), dtype="int32", name=x) for x in ("source", "target"))
    model = keras.Model([source, target], model[1](target, model[0](source)))
    keras.utils.plot_model(model, tmp_path / "model.png", show_shapes=True, show_layer_names=True)
    assert (tmp_path / "model.png").read_bytes()[:4] == b"\x89PNG"


class OfOneDict:
    """Keras' test gives a layer that it trains all of its inputs as one."""

    def __call__(self, *args, **kwargs):
        if args and isinstance(args[0], dict):
            args, kwargs = (), {**args[0], **kwargs}
        return super().__call__(*args, **kwargs)


@pytest.fixture
def eagerly():
    """No `tf.function`: XLA would compile every layer for seconds."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.mark.filterwarnings(
    "ignore:`shuffle=True` was passed",  # Keras' own generator
    "ignore:Even though the `tf.config",  # which data sets do without
    "ignore:The model does not have any trainable",
)
def test_the_conformance_test_of_keras(case, eagerly):
    layer_class, arguments, arrays = case
    # JAX compiles the step of every layer in the test above.
    options = {"run_training_check": keras.backend.backend() != "jax"}
    if len(arrays) == 1:
        options["input_data"] = next(iter(arrays.values()))
    else:
        given = {f"{k}_shape": x for k, x in arrays.items() if k != "mask"}
        options["input_shape"] = {k: x.shape for k, x in given.items()}
        options["input_dtype"] = {k: str(x.dtype) for k, x in given.items()}
        layer_class = type(layer_class.__name__, (OfOneDict, layer_class), {})
        options["custom_objects"] = {layer_class.__name__: layer_class}
    TestCase().run_layer_test(layer_class, arguments, **options)


def seq2seq(attention):
    text = {"vocabulary_size": variants.VOCABULARY, "embedding_dim": 6}
    decoder = {**text, "name": "recurrent", "units": 6, "attention": attention, "query": "previous"}
    return s2s_zoo.Seq2Seq({**text, "name": "recurrent", "units": 3}, decoder)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # NumPy's, of tensors
def test_quantized_as_far_as_keras_can_and_the_rest_is_named():
    model, inputs = seq2seq({"name": "bahdanau", "units": 4}), {"source": IDS, "target": TARGET}
    expected = numbers(model(inputs))
    with pytest.warns(UserWarning) as warned:
        model.quantize("int8")
    modes = {layer.path: layer.quantization_mode for layer in model._flatten_layers()}
    assert modes["seq2seq/decoder/attention/key"] == "int8"
    named = " ".join(str(warning.message) for warning in warned)
    leaves = [x for x in model._flatten_layers() if len(list(x._flatten_layers())) == 1]
    left = [x for x in leaves if x._trainable_variables]
    left = {type(layer).__name__ for layer in left if layer.quantization_mode is None}
    assert {"LSTMCell", "TokenEmbedding", "StepDense", "OutputMatrix"} <= left
    assert all(f"Layer {name} does not" in named for name in left)
    assert_equal(numbers(model(inputs)), expected, tolerance=0.1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Layer .* does not")
def test_a_quantized_functional_model_is_the_same_from_its_file(tmp_path):
    whole = seq2seq({"name": "bahdanau", "units": 4})
    source, target = (keras.Input((None,), dtype="int32") for _ in range(2))
    model = keras.Model([source, target], whole.decoder(target, whole.encoder(source)))
    model.quantize("int8")
    expected = numbers(model([IDS, TARGET]))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    modes = {layer.path: layer.quantization_mode for layer in loaded._flatten_layers()}
    assert modes["decoder/attention/key"] == "int8"
    assert_equal(numbers(loaded([IDS, TARGET])), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Layer .* does not")
def test_a_quantized_seq2seq_is_the_same_from_its_file(tmp_path):
    model, inputs = seq2seq({"name": "bahdanau", "units": 4}), {"source": IDS, "target": TARGET}
    model = s2s_zoo.Seq2Seq.from_config({**model.get_config(), "share_embeddings": True})
    model.quantize("int8")
    expected = numbers(model(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    modes = {layer.path: layer.quantization_mode for layer in loaded._flatten_layers()}
    assert modes["seq2seq/decoder/attention/key"] == "int8"
    assert modes == {layer.path: layer.quantization_mode for layer in model._flatten_layers()}
    assert_equal(numbers(loaded(inputs)), expected)
    config = loaded.get_config()
    with pytest.raises(ValueError, match="Seq2Seq expected a mode.*Received: 1. Save"):
        s2s_zoo.Seq2Seq.from_config({**config, "quantized": ["int8"]})


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="SavedModel is TensorFlow's")
@pytest.mark.converters
@pytest.mark.parametrize("style", ["Seq2Seq", "functional", "of one length"])
def test_exported_by_keras(style, tmp_path):
    import tensorflow as tf

    model = seq2seq({"name": "bahdanau", "units": 4})
    arrays = {"source": IDS, "target": TARGET}
    expected = numbers(model(arrays))
    if style != "Seq2Seq":
        lengths = (5, 4) if style == "of one length" else (None, None)
        source, target = (
            keras.Input((length,), dtype="int32", name=name)
            for length, name in zip(lengths, arrays, strict=True)
        )
        logits = model.decoder(target, model.encoder(source))
        model = keras.Model({"source": source, "target": target}, logits)
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    assert_equal(numbers(loaded.serve(arrays)), expected)
