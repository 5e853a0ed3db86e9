"""What a checkpoint directory holds, and what its config.json says."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from s2s_zoo.checkpoints.layout import (
    CONFIG,
    CONFIG_KEYS,
    CTRANSLATE2,
    FORMAT_VERSION,
    MARIAN,
    PROCESSOR,
    REQUIRED,
    WEIGHTS,
)
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import AGAIN, read_json
from s2s_zoo.protocol.registry import check_keys
from s2s_zoo.protocol.types import Config


class Checkpoint(NamedTuple):
    """What a directory holds.

    Attributes:
        task: str, such as "translation".
        model: a built `Seq2Seq` with its weights.
        processor: raw input to ids and back.
        generation: dict, the defaults of the search.
        languages: list of str, the codes of source and target, or empty.
        shortlist: a `Shortlist`, or None.
    """

    task: str
    model: Any
    processor: Any
    generation: Config
    languages: list[str]
    shortlist: Any = None


WHISPER = b"WhisperSpec"  # what a model of CTranslate2 begins with


Layout: TypeAlias = Literal["s2s_zoo", "transformers"]


class Opened(NamedTuple):
    """A directory whose config.json was read.

    Attributes:
        directory: path.
        config: dict, what config.json holds.
        layout: "s2s_zoo", or "transformers" where config.json has a model_type, or there is a
            model of CTranslate2 or Marian.
        verified: {file name: {"sha256": hex digest, "size": bytes}}, of the files that were
            compared with a record already.
        languages: list of str, those of the name by which it was asked for, where config.json has
            more; None for all of them.
    """

    directory: Path
    config: Config
    layout: Layout
    verified: Config
    languages: list[str] | None = None


def open_directory(
    directory: Path, verified: Config | None = None, languages: list[str] | None = None
) -> Opened:
    """Returns a directory as an `Opened`; without a config.json the config is empty.

    Where there is no model but in its directory "model", that is opened.
    """
    path, inner = directory / CONFIG, directory / "model"
    if not path.is_file() and (inner / CTRANSLATE2).is_file():  # a package of argos-translate
        directory, path = inner, inner / CONFIG
    config = read_json(path) if path.is_file() else {}
    if not {"model_type", "format_version"} & config.keys():
        for name, kind in ((CTRANSLATE2, "ctranslate2"), (MARIAN, "marian-npz")):
            if (directory / name).is_file():
                config = {"model_type": kind, **config}
        if config.get("model_type") == "ctranslate2":
            with (directory / CTRANSLATE2).open("rb") as file:
                if WHISPER in file.read(64):
                    config["model_type"] = "faster-whisper"
    layout: Layout = "transformers" if "model_type" in config else "s2s_zoo"
    return Opened(directory, config, layout, verified or {}, languages)


def check_opened(opened: Opened, required: Iterable[str] = REQUIRED) -> None:
    """Raises CheckpointError unless a directory looks like a checkpoint in our layout.

    Args:
        opened: an `Opened`.
        required: names of the files that are there, unless they are still to be downloaded.
    """
    directory, config = opened.directory, opened.config
    missing = [name for name in required if not (directory / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{directory} is not a complete checkpoint: {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing. A checkpoint directory holds "
            f"{', '.join(REQUIRED)} and the tokenizer; pass one that `save` wrote."
        )
    path = directory / CONFIG
    if isinstance(version := config.get("format_version"), int) and version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format_version {version}; this s2s_zoo reads up to {FORMAT_VERSION}. "
            "Upgrade with `pip install --upgrade s2s-zoo`."
        )
    try:
        check_keys(config, CONFIG_KEYS, "checkpoint")
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error
    absent = [key for key in CONFIG_KEYS if key not in config]
    kinds = {"format_version": int, "task": str, "languages": list, "model": dict, "files": dict}
    if absent or not all(isinstance(config[key], kind) for key, kind in kinds.items()):
        raise CheckpointError(
            f"{path} expected {', '.join(CONFIG_KEYS)}: a number, text, a list and two objects. "
            f"Received: {', '.join(config) or 'nothing'}. {AGAIN}"
        )
    unpinned = [name for name in (WEIGHTS, PROCESSOR) if name not in config["files"]]
    if unpinned:
        raise CheckpointError(f"{path} holds no sha256 of {', '.join(unpinned)}. {AGAIN}")


def check_generation(options: Config, path: Path) -> None:
    """Raises CheckpointError for an option of the search of another kind, or out of its range.

    Args:
        options: dict, the defaults of a search; which there are, `Pipeline` knows.
        path: of the file that they are of, for the error.
    """
    from s2s_zoo.generation.options import (
        LARGEST,
        MOST_IN_A_ROW,
        OPTIONS,
    )  # asks for oneDNN; a list must not

    doubt = options.get("doubt", 0)
    if type(doubt) not in (int, float) or not -LARGEST <= doubt <= 0:
        raise CheckpointError(
            f"{path} expected doubt of a number up to 0, the least log-probability of a token that "
            f"is trusted. Received: {doubt!r:.80}."
        )
    for name, value in options.items():
        if (option := OPTIONS.get(name)) is None:
            continue
        if not option.fits(value):
            raise CheckpointError(
                f"{path} expected a value of {name} like {_EXAMPLES[option.kind]}, and no "
                f"number beyond {LARGEST}. Received: {value!r:.80}."
            )
        if option.choices and value is not None and value not in option.choices:
            known = ", ".join(option.choices)
            raise CheckpointError(f"{path} expected {name} of {known}. Received: {value!r:.80}.")
        if option.kind is list and any(
            type(item) is list and not 1 <= len(item) <= MOST_IN_A_ROW for item in value
        ):
            raise CheckpointError(
                f"{path} expected {name} of ids, or of 1 to {MOST_IN_A_ROW} ids in a row. "
                f"Received: {value!r:.80}."
            )
        if option.kind in (int, float) and value is not None:
            if not option.allows(value) or value > option.most_in_file:
                most = "" if option.most_in_file == LARGEST else f", at most {option.most_in_file}"
                raise CheckpointError(
                    f"{path} expected {name} {option.range}{most} in a file. Received: {value!r}. "
                    "Write another number there; a call may ask for more."
                )


_EXAMPLES = {int: "4", float: "0.5", bool: "true", str: '"…"', list: "[3, [4, 5]]"}
