"""What sets the checkpoints of one `model_type` apart."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from s2s_zoo.checkpoints.pretrained.tensors import Tensors
from s2s_zoo.checkpoints.pretrained.tokenizers import Files, Read
from s2s_zoo.protocol.types import Config

# What transformers calls an activation, and what we do.
ACTIVATIONS = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "gelu_sigmoid",
    "swish": "swish",
    "silu": "swish",
}


def _as_they_are(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    return config, tensors


def _unscaled(name: str, config: Config) -> float:
    return 1


def _never(languages: Collection[str]) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Languages:
    """How a checkpoint of several languages is told which.

    Attributes:
        pattern: regular expression of the pieces that are languages; its group is the code.
        place: "text" if the target stands before the text of the source, "ends" if source and
            target have the token of their language at an end.
        target_starts: function of the languages that the vocabulary has; whether the decoder
            starts from the token of the target, and a source ends with that of its own.
    """

    pattern: str
    place: Literal["text", "ends"]
    target_starts: Callable[[Collection[str]], bool] = _never


@dataclass(frozen=True, kw_only=True)
class Half:
    """What sets a decoder apart that stands beside encoders of other families.

    Attributes:
        defaults: what its config means that does not say it.
        unify: function of its config with the defaults, its tensors and the directory to what the
            config of the whole checkpoint then says, and to the tensors that `names` expects.
        describe: function of its config to that of our decoder.
        names: as of a `Family`.
    """

    defaults: Config
    unify: Callable[[Config, Tensors, Path], tuple[Config, Tensors]]
    describe: Callable[[Config], Config]
    names: Callable[[str, Config], tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What sets the checkpoints of one `model_type` apart.

    Attributes:
        task: what a checkpoint is for where nobody says.
        describe: function of a config to the configs of our encoder and decoder.
        names: function of the name of a weight of ours and the config to what it may be called in
            the file, the likeliest first.
        tokenizer: function of {file name: bytes} and tokenizer_config.json to a tokenizer and the
            names of the files it was made of.
        tokenizer_options: what it reads of tokenizer_config.json.
        first: the piece that every source and target begins with, or None.
        target_begins: whether targets begin with it too.
        source_ends: whether a source ends with the end token.
        between_turns: what stands between the turns of a dialogue, or None where it is of none.
        defaults: what a config means that does not say it.
        languages: how it is told which, where it has several.
        unify: function of config, tensors and the directory to config and tensors in the form
            that `describe` and `names` expect.
        scale: function of the name of a weight and the config to what the tensor is multiplied by.
        needless: ends of the names of tensors that no weight is made of.
        processor: function of the directory, the unified config and the longest target to the
            processor of a checkpoint that does not read text, or None.
        consumed: keys of generation_config.json that the processor makes use of, and no search.
    """

    task: str
    describe: Callable[[Config], tuple[Config, Config]]
    names: Callable[[str, Config], tuple[str, ...]]
    tokenizer: Callable[[Files, Config], Read]
    tokenizer_options: tuple[str, ...] = ()
    first: str | None = None
    target_begins: bool = True
    source_ends: bool = True
    between_turns: str | None = None
    defaults: Config = field(default_factory=dict)
    languages: Languages | None = None
    unify: Callable[[Config, Tensors, Path], tuple[Config, Tensors]] = _as_they_are
    scale: Callable[[str, Config], float] = _unscaled
    needless: tuple[str, ...] = ()
    processor: Callable[[Path, Config, int], Any] | None = None
    consumed: tuple[str, ...] = ()
