"""One checkpoint of every family, and what transformers makes of it."""

from typing import Any, NamedTuple

import pytest

FAMILIES = {
    "marian": {},
    "marian-unshared": {"share_encoder_decoder_embeddings": False},
    "marian-separate": {"separate": True},
    "bart": {},
    "mbart": {"init_std": 0.4},
    "m2m_100": {"init_std": 0.4},
    "nllb": {"init_std": 0.4},
    "pegasus": {},
    "t5": {},
    "t5-gated": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "t5-untied": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "untie": True},
    "mt5": {"tie_word_embeddings": False, "untie": True},
    "umt5": {"tie_word_embeddings": False, "untie": True},
    "byt5": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "codet5": {},
    "blenderbot": {},
    "blendersmall": {},
    "plbart": {},
    "plbart-multi": {"language_codes": "multi", "scale_embedding": False},
    "mvp": {},
    "led": {},
    "longt5": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "end_scale": 6},
    "prophetnet": {"end_scale": -6},
    "prophetnet-three": {
        **{"ngram": 3, "activation_function": "relu", "tie_word_embeddings": False},
        **{"untie": True, "end_scale": -2},
    },
    "longt5-local": {"encoder_attention_type": "local", "end_scale": -12},
}
GREEDY = ("marian", "bart", "m2m_100", "t5")  # one of each way to begin a text
PLAIN = tuple(name for name in FAMILIES if "-" not in name)
# The model_type of those that are not called by it.
MODEL_TYPES = {
    "marian-npz": "marian-npz",
    "faster-whisper": "faster-whisper",
    "nllb": "m2m_100",
    "byt5": "t5",
    "codet5": "t5",
    "blendersmall": "blenderbot-small",
    "vit-gpt2": "vision-encoder-decoder",
    "donut": "vision-encoder-decoder",
    "swin": "vision-encoder-decoder",
    "madlad": "t5",
    "bigbird": "bigbird_pegasus",
    "s2t": "speech_to_text",
    "trocr": "vision-encoder-decoder",
    "bert2bert": "encoder-decoder",
    "roberta2roberta": "encoder-decoder",
}


def model_type(name):
    """The model_type of a variant."""
    return MODEL_TYPES.get(name) or MODEL_TYPES.get(name.split("-")[0], name.split("-")[0])


class Oracle(NamedTuple):
    """A checkpoint directory, and the model and tokenizer of transformers that wrote it."""

    directory: Any
    model: Any
    tokenizer: Any


@pytest.fixture(scope="session")
def oracle(tmp_path_factory):
    """Function of the name of a family to its Oracle."""
    pytest.importorskip("transformers")
    pytest.importorskip("torch")
    from tests.checkpoints.pretrained.oracle import make

    made = {}

    def get(name):
        if name not in made:
            directory = tmp_path_factory.mktemp("hub") / name
            made[name] = Oracle(directory, *make(name.split("-")[0], directory, **FAMILIES[name]))
        return made[name]

    return get
