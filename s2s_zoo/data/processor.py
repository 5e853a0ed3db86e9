"""What a model reads and writes, and the text a person does."""

import hashlib
import json
from importlib import import_module
from pathlib import Path

from s2s_zoo.checkpoint import PROCESSOR
from s2s_zoo.data.targets import Targets, check_length, encode, require_text
from s2s_zoo.errors import CheckpointError
from s2s_zoo.files import check_name, read_file, read_json
from s2s_zoo.registry import check_keys, lookup

TOKENIZER_KEYS = ("type", "file", "sha256")


class TextProcessor(Targets):
    """Text to ids and back, with one tokenizer or two.

    Args:
        source_tokenizer: a tokenizer of the table `TOKENIZERS`.
        target_tokenizer: another one, or the same.
        max_source_length: int, the longest source in tokens, END counted.
        max_target_length: int, the longest target in tokens, END counted.
    """

    TYPE = "text"
    KEYS = (
        *("type", "source_tokenizer", "target_tokenizer"),
        *("max_source_length", "max_target_length"),
    )

    def __init__(
        self, source_tokenizer, target_tokenizer, max_source_length=256, max_target_length=256
    ):
        check_length("max_source_length", max_source_length)
        super().__init__(target_tokenizer, max_target_length)
        self.source_tokenizer = source_tokenizer
        self.max_source_length = max_source_length

    def collect(self, sources):
        """Returns the sources of a call one by one, and whether it was a single one."""
        if isinstance(sources, str):
            return [sources], True
        if isinstance(sources, bytes | dict) or not hasattr(sources, "__iter__"):
            require_text(sources)
        return sources, False

    def is_blank(self, source):
        """Whether there is nothing in a source to write about."""
        require_text(source)
        return not source or source.isspace()

    def source_pieces(self, row, source):
        """The unit behind each id of a source."""
        return self.source_tokenizer.pieces(row)

    def held_out(self, pairs, folder=None):
        """Returns the sources and the targets of pairs; text is in no folder."""
        sources, targets = zip(*pairs, strict=True)
        return list(sources), list(targets)

    def training_batches(self, pairs, **options):
        """See `TokenBatches`."""
        from s2s_zoo.data.batching import TokenBatches

        return TokenBatches(self, pairs, **options)

    def encode_source(self, texts, truncate=True, sampling=None):
        """Turns sources into ids.

        Args:
            texts: list of str, any.
            truncate: bool, cut a long text at `max_source_length`, with a warning.
            sampling: (alpha, seed) of the tokenizer's `sample`, to draw a segmentation; None
                gives the usual one.

        Returns:
            list of int32 arrays, each ending in END.
        """
        limit = self.max_source_length if truncate else None
        return encode(self.source_tokenizer, texts, limit, "source", sampling)

    def get_config(self):
        """Plain JSON: what `processor.json` holds."""
        shared = self.source_tokenizer.sha256 == self.target_tokenizer.sha256
        names = ("tokenizer.model",) * 2 if shared else ("source.model", "target.model")
        return {
            "type": self.TYPE,
            "source_tokenizer": describe_tokenizer(self.source_tokenizer, names[0]),
            "target_tokenizer": describe_tokenizer(self.target_tokenizer, names[1]),
            "max_source_length": self.max_source_length,
            "max_target_length": self.max_target_length,
        }

    def save(self, directory):
        """Writes processor.json and the tokenizer models beside it."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        config = self.get_config()
        self.source_tokenizer.save(directory / config["source_tokenizer"]["file"])
        self.target_tokenizer.save(directory / config["target_tokenizer"]["file"])
        (directory / PROCESSOR).write_text(
            json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )

    @classmethod
    def load(cls, directory):
        """Reads what `save` wrote.

        Raises:
            CheckpointError: if a file is missing, altered or not understood.
        """
        directory = Path(directory)
        config = load_config(directory)
        try:
            check_exactly(config, cls.KEYS, "processor")
            lookup({cls.TYPE: cls}, config.pop("type"), "processor type")
            source, target = config.pop("source_tokenizer"), config.pop("target_tokenizer")
            source_tokenizer = load_tokenizer(directory, source)
            shared = source == target
            target_tokenizer = source_tokenizer if shared else load_tokenizer(directory, target)
            return cls(source_tokenizer, target_tokenizer, **config)
        except CheckpointError:
            raise
        except ValueError as error:
            raise CheckpointError(f"{directory / PROCESSOR}: {error}") from error


def load_config(directory):
    """Returns what processor.json holds.

    Raises:
        CheckpointError: if it is missing or no JSON object.
    """
    path = Path(directory) / PROCESSOR
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing. Pass a checkpoint directory, complete as it was saved."
        )
    return read_json(path)


def load_processor(directory):
    """Reads the processor that a directory describes, of whatever type.

    Raises:
        CheckpointError: if a file is missing, altered or not understood.
    """
    from s2s_zoo.data import PROCESSORS

    kind = load_config(directory).get("type")
    try:
        module, name = lookup(PROCESSORS, kind, "processor type")
    except ValueError as error:
        raise CheckpointError(f"{Path(directory) / PROCESSOR}: {error}") from error
    return getattr(import_module(module), name).load(directory)


def describe_tokenizer(tokenizer, file):
    """Returns the plain JSON that `load_tokenizer` reads."""
    from s2s_zoo.data import TOKENIZERS

    kinds = [name for name, kind in TOKENIZERS.items() if type(tokenizer) is kind]
    if not kinds:
        raise ValueError(
            f"{type(tokenizer).__name__} has no name in TOKENIZERS, so it cannot be saved. "
            f"Known: {', '.join(TOKENIZERS)}."
        )
    return {"type": kinds[0], "file": file, "sha256": tokenizer.sha256}


def load_tokenizer(directory, config):
    """Returns the tokenizer of a description, its file compared with the recorded sha256."""
    from s2s_zoo.data import TOKENIZERS

    check_exactly(config, TOKENIZER_KEYS, "tokenizer")
    kind = lookup(TOKENIZERS, config["type"], "tokenizer type")
    check_name(config["file"])
    path = directory / config["file"]
    data = read_file(path)
    found = hashlib.sha256(data).hexdigest()
    if found != config["sha256"]:
        raise CheckpointError(
            f"{path} ({len(data)} bytes) is truncated or was altered: its sha256 is not the one "
            "recorded. Download or copy the checkpoint again."
        )
    return kind(data)


def check_exactly(config, keys, kind):
    """Raises ValueError unless `config` is a dict with exactly these keys."""
    if not isinstance(config, dict):
        raise ValueError(f"The {kind} config is a JSON object. Received: {config!r:.80}.")
    check_keys(config, keys, kind)
    if missing := [key for key in keys if key not in config]:
        raise ValueError(f"The {kind} config needs {', '.join(missing)}.")
