"""What several test files need: a checkpoint small enough to load in a moment."""

import s2s_zoo.model  # noqa: F401  # isort: skip  # first: TensorFlow is told of oneDNN before it is loaded

import gc
import importlib.util
import itertools
import sys

import pytest
from hypothesis import settings

from tests.hub_server import HubServer

TESTS = itertools.count(1)
settings.register_profile("fuzz")  # which tests/checkpoints/test_fuzz.py looks for

SENTENCES = [
    ("ein hund rennt", "a dog runs"),
    ("eine katze schläft", "a cat sleeps"),
    ("der mann liest ein buch", "the man reads a book"),
    ("die frau trinkt wasser", "the woman drinks water"),
    ("das kind spielt im garten", "the child plays in the garden"),
    ("zwei hunde spielen mit dem ball", "two dogs play with the ball"),
]


def pytest_collection_finish():
    """Spares the collector of garbage what was imported: an eighth of the time of the tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@pytest.fixture(autouse=True)
def few_compiled_functions():
    """Frees what JAX compiled, every hundred tests.

    Each compiled function holds memory mappings, which Linux counts (`vm.max_map_count`, 65,530):
    past the limit the compiler dies of a segmentation fault.
    """
    yield
    jax = sys.modules.get("jax")
    if jax is not None and next(TESTS) % 100 == 0:
        gc.collect()
        jax.clear_caches()


@pytest.fixture(autouse=True, scope="session")
def untuned_data():
    """Lets TensorFlow end with its data: it waits for the thread that tunes `tf.data`, which wakes
    up after 2.5, 5, 10 seconds, so that most calls of `fit` would take twice their time.
    """
    if importlib.util.find_spec("tensorflow") is None:
        yield
        return
    import tensorflow as tf

    iterate, options = tf.data.Dataset.__iter__, tf.data.Options()
    options.autotune.enabled = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.data.Dataset, "__iter__", lambda self: iterate(self.with_options(options)))
        yield


@pytest.fixture(scope="session")
def sentences():
    """A list of (source, target)."""
    return SENTENCES


@pytest.fixture(scope="session")
def tiny_pipeline():
    """A Pipeline whose model knows nothing, with a vocabulary of sixty units."""
    import keras

    from s2s_zoo import Pipeline, SentencePieceTokenizer, Seq2Seq, TextProcessor

    keras.utils.set_random_seed(7)
    tokenizer = SentencePieceTokenizer.train(
        [text for pair in SENTENCES for text in pair], vocabulary_size=60
    )
    size = {"vocabulary_size": tokenizer.vocabulary_size, "embedding_dim": 6}
    model = Seq2Seq.from_config(
        {
            "encoder": {"name": "recurrent", "units": 4, **size},
            "decoder": {"name": "recurrent", "units": 8, "attention": "luong", **size},
        }
    )
    processor = TextProcessor(tokenizer, tokenizer, max_source_length=24, max_target_length=20)
    return Pipeline(
        "translation",
        model,
        processor,
        generation={"num_beams": 2},
        languages=["de", "en"],
    )


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_pipeline, tmp_path_factory):
    """The directory of the same. Tests copy it before they change it."""
    directory = tmp_path_factory.mktemp("checkpoints") / "tiny"
    tiny_pipeline.save(directory)
    return directory


COLOURS = ("red", "green", "blue", "yellow", "black", "white")


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of drawn pictures, squares on the left or the right, with two captions each.

    Returns the folder and a list of (path, [captions]).
    """
    Image = pytest.importorskip("PIL.Image")

    folder, captions = tmp_path_factory.mktemp("photos"), []
    for colour in COLOURS:
        for side, left in (("left", 4), ("right", 34)):
            image = Image.new("RGB", (64, 48), "gray")
            image.paste(colour, (left, 12, left + 20, 36))
            path = folder / f"{colour}-{side}.png"
            image.save(path)
            texts = [f"a {colour} square on the {side}", f"the {colour} square is {side}"]
            captions.append((str(path), texts))
    return folder, captions


@pytest.fixture(scope="session")
def tiny_captioner(photos):
    """A captioning Pipeline whose model knows nothing. Tests copy it before they change it."""
    import keras

    from s2s_zoo import Pipeline, SentencePieceTokenizer, Seq2Seq
    from s2s_zoo.data import ImageProcessor

    keras.utils.set_random_seed(7)
    texts = [text for _, captions in photos[1] for text in captions]
    tokenizer = SentencePieceTokenizer.train(texts, 17, model_type="word")
    encoder = {"name": "cnn", "backbone": "mobilenet", "alpha": 0.25, "size": [64, 96]}
    decoder = {"name": "show_attend_tell", "embedding_dim": 6, "units": 8}
    decoder["vocabulary_size"] = tokenizer.vocabulary_size
    return Pipeline(
        "captioning",
        Seq2Seq.from_config({"encoder": encoder, "decoder": decoder}),
        ImageProcessor(tokenizer, size=(64, 96), max_target_length=12),
        generation={"num_beams": 2},
        languages=["en"],
    )


@pytest.fixture(scope="session")
def sighted_captioner(tiny_captioner):
    """The same with another encoder, which as it is tells one photo from another."""
    import keras

    from s2s_zoo import Pipeline, Seq2Seq

    keras.utils.set_random_seed(7)
    encoder = {"name": "vision_transformer", "size": [64, 96], "patch": 32, "layers": 1}
    encoder |= {"heads": 2, "embedding_dim": 6, "hidden_dim": 7}
    decoder = tiny_captioner.model.get_config()["decoder"]
    model = Seq2Seq.from_config({"encoder": encoder, "decoder": decoder})
    return Pipeline("captioning", model, tiny_captioner.processor, {"num_beams": 2}, ["en"])


@pytest.fixture(scope="session")
def hub_marian(tmp_path_factory):
    """The directory of a Marian checkpoint, made without transformers. Copy it to change it."""
    import json

    import keras
    import numpy as np
    from keras import ops
    from safetensors.numpy import save_file

    from s2s_zoo import Seq2Seq
    from s2s_zoo.checkpoints.pretrained import bart, marian
    from s2s_zoo.checkpoints.weights import weights_by_name
    from tests.checkpoints.pretrained.lines import write_marian_pieces

    directory = tmp_path_factory.mktemp("hub") / "opus-mt-de-en"
    directory.mkdir()
    vocabulary = write_marian_pieces(directory, 120, 140)
    pad = vocabulary["<pad>"] = len(vocabulary)
    config = {
        "model_type": "marian",
        "architectures": ["MarianMTModel"],
        "vocab_size": len(vocabulary),
        "d_model": 16,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 24,
        "max_position_embeddings": 64,
        "activation_function": "swish",
        "scale_embedding": True,
        "pad_token_id": pad,
        "eos_token_id": 0,
        "decoder_start_token_id": pad,
    }
    generation = {"num_beams": 2, "max_length": 64, "bad_words_ids": [[pad]]}
    for name, value in (
        ("config.json", config),
        ("generation_config.json", generation),
        ("vocab.json", vocabulary),
        ("tokenizer_config.json", {"source_lang": "de", "target_lang": "en"}),
    ):
        (directory / name).write_text(json.dumps(value))
    keras.utils.set_random_seed(2)
    encoder, decoder = marian.describe(config)
    model = Seq2Seq(encoder, {**decoder, "tie_embeddings": True}, share_embeddings=True)
    rng, tensors = np.random.default_rng(0), {}
    for name, weight in weights_by_name(model).items():
        value = ops.convert_to_numpy(weight) + rng.normal(size=weight.shape) * 0.1
        value = value.T if name.endswith("kernel") else value
        value = value[None] if name == "decoder/output_bias" else value
        candidates = bart.names(name, {**config, "tie_word_embeddings": True})
        theirs = "shared.weight" if "shared.weight" in candidates else candidates[0]
        prefix = "" if theirs == "final_logits_bias" else "model."
        tensors[prefix + theirs] = np.ascontiguousarray(value, "float32")
    save_file(tensors, directory / "model.safetensors")
    return directory


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory):
    """A directory as of a Whisper on the Hub, of windows of one second."""
    for package in ("tokenizers", "soundfile", "soxr"):
        pytest.importorskip(package, reason="pip install 's2s-zoo[speech]'")
    from tests.tiny_whisper import write_tiny_whisper

    return write_tiny_whisper(tmp_path_factory.mktemp("whisper") / "whisper-tiny")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub on loopback that this process talks to, with an empty cache and nobody logged in.

    The client reads its settings when it is imported, so they are set where it keeps them; it
    does not wait between attempts.
    """
    from huggingface_hub import constants

    with HubServer() as server:
        url = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        for name, value in {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": url,
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "token"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_DOWNLOAD_TIMEOUT": 1,
        }.items():
            monkeypatch.setattr(constants, name, value)
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        yield server


@pytest.fixture(params=["compiled", "eager"])
def called(request):
    """Makes a function run in a graph, where the kernels are compiled, or as it is written."""
    import tensorflow as tf

    return tf.function if request.param == "compiled" else lambda function: function
