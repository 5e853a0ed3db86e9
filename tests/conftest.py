"""What several test files need: a checkpoint small enough to load in a moment."""

import pytest

from tests.hub_server import HubServer

SENTENCES = [
    ("ein hund rennt", "a dog runs"),
    ("eine katze schläft", "a cat sleeps"),
    ("der mann liest ein buch", "the man reads a book"),
    ("die frau trinkt wasser", "the woman drinks water"),
    ("das kind spielt im garten", "the child plays in the garden"),
    ("zwei hunde spielen mit dem ball", "two dogs play with the ball"),
]


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
