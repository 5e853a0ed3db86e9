"""What a tokenizer.json may ask for, and how long it may take.

Its patterns run in a machine that goes back and tries again, and its normalizers may write more
than they read: one short text could take hours, or all memory.
"""

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from s2s_zoo.data.piece_models import check_rules
from s2s_zoo.protocol.errors import CheckpointError, DataError

Found = TypeVar("Found")
LONGEST_PIECE = 1024  # characters
LONGEST_PATTERN = 2000
LOOPS, CHOICES = 2, 8  # one after the other in a pattern
GROWTH = (1024, 8)  # characters that all normalizers, or all decoders, may make of one
# An escape, a class (in which one may stand), how a group begins, what repeats, or any other sign.
SIGNS = re.compile(
    r"(?P<escape>\\[pP]\{[^}]*\}|\\x\{?[0-9a-fA-F]+\}?|\\.)"
    r"|(?P<set>\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\])"
    r"|(?P<open>\((?:\?(?:[:=!>]|<[=!]|[a-z]*:))?)|(?P<close>\))"
    r"|(?P<loop>[*+]|\{\d+,\}|\{\d*,?\d*\}|\?)|(?P<bar>\|)|(?P<sign>.)",
    re.DOTALL,
)


def check_tokenizer(data: bytes) -> None:
    """Raises CheckpointError for a tokenizer.json that may need much time or memory for a text.

    No loop of a pattern may hold another one or a choice, and no text may become many times as
    long as it was.
    """
    try:
        made = json.loads(data)
        pieces = [x if isinstance(x, str) else x[0] for x in made["model"]["vocab"]]
        pieces += [token["content"] for token in made.get("added_tokens") or []]
        if max(map(len, pieces), default=0) > LONGEST_PIECE:
            raise ValueError(f"a piece has more than {LONGEST_PIECE:,} characters")
        for part in ("normalizer", "pre_tokenizer", "decoder"):
            growth, most = 1, GROWTH[part == "decoder"]
            for config in _parts(made.get(part)):
                growth *= _growth(config)
                if growth > most:
                    raise ValueError(f"its {part} makes more than {most} characters of one")
                if "Regex" in config:
                    check_pattern(config["Regex"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"tokenizer.json is no tokenizer that is read here: {error!s:.200}. Download the "
            "checkpoint again, or use another."
        ) from error


def check_pattern(pattern: str) -> None:
    """Raises ValueError for a regular expression that may take more than a text's square.

    Refused are a loop around what has a loop or a choice, more than `LOOPS` loops or `CHOICES`
    choices in a row, and references to what was found before.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a pattern has more than {LONGEST_PATTERN:,} characters")
    groups = [_Group()]  # those that are open, the whole pattern first
    closed, before = groups[0], ""
    for found in SIGNS.finditer(pattern):
        kind, text = str(found.lastgroup), found.group()
        here = groups[-1]
        if kind == "escape" and text[1] in "123456789kg":
            raise ValueError(f"a pattern refers back: {pattern:.80}")
        if kind == "open":
            groups.append(_Group())
        elif kind == "close" and len(groups) > 1:
            closed, here = groups.pop(), groups[-1]
            here.varies |= closed.varies
            here.loops += closed.loops
            here.choices += closed.choices + closed.varies
        elif kind == "bar":
            here.varies, here.loops, here.choices = True, 0, 0
        elif kind == "loop" and not (before == "loop" and text in "?+"):  # lazy or possessive
            numbers = [int(n) for n in re.findall(r"\d+", text)]
            if text != "?" and (before == "loop" or (before == "close" and closed.varies)):
                raise ValueError(f"a pattern has a loop in a loop: {pattern:.80}")
            if max(numbers, default=0) > LONGEST_PIECE:
                raise ValueError(f"a pattern counts beyond {LONGEST_PIECE}: {pattern:.80}")
            exact = text == f"{{{numbers[0]}}}" if numbers else False
            here.varies |= not exact
            here.loops += text != "?" and not exact
            here.choices += text == "?"
        if here.loops > LOOPS or here.choices > CHOICES:
            raise ValueError(f"a pattern has too many loops or choices in a row: {pattern:.80}")
        before = kind


@dataclass
class _Group:
    """What is known of a group of a pattern, or of the last alternative in it.

    Attributes:
        varies: whether it may fit the same text in several ways.
        loops: in a row.
        choices: in a row.
    """

    varies: bool = False
    loops: int = 0
    choices: int = 0


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """Every object in a part of a tokenizer."""
    if isinstance(config, dict):
        yield config
        config = list(config.values())
    if isinstance(config, list):
        for inner in config:
            yield from _parts(inner)


def _growth(config: dict[str, Any]) -> int:
    """How many characters a step of a normalizer or decoder makes of one, at most."""
    kind = config.get("type")
    if kind == "Replace":
        fixed, written = config["pattern"].get("String"), len(config["content"])
        # A pattern may be found between any two characters.
        return max(1, -(-written // len(fixed)) if fixed else written + 1)
    if kind == "Precompiled":
        return max(1, check_rules(base64.b64decode(config["precompiled_charsmap"] or "")))
    if kind == "Prepend":
        return max(1, len(config["prepend"]))
    return 1


@contextmanager
def plain_errors(name: str) -> Iterator[None]:
    """Within it whatever the package `tokenizers` raises, a panic too, is a CheckpointError."""
    try:
        yield
    except Exception as error:
        raise CheckpointError(
            f"{name} cannot be read: {error!s:.200}. Download the checkpoint again."
        ) from error
    except BaseException as error:
        if not _is_panic(error):
            raise
        raise CheckpointError(
            f"{name} cannot be read: it made the package tokenizers give up. Download the "
            "checkpoint again."
        ) from error


def _is_panic(error):
    return type(error).__name__ == "PanicException"


class Limited:
    """Calls a function of the package `tokenizers` for a limited time, a panic becomes an error.

    Such a call cannot be ended. It goes on in a thread of its own, and until it is done every
    other is refused, so that there is one at most.

    Args:
        name: str, of the file whose fault it is.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._late: threading.Thread | None = None

    def __call__(
        self, seconds: float, function: Callable[..., Found], *args: Any, **options: Any
    ) -> Found:
        """Returns what the function gives.

        Raises:
            DataError: if it takes longer, or panics.
        """
        if self._late is not None and self._late.is_alive():
            raise DataError(self._refusal("is still at work on a text that took too long"))
        results: list[Found] = []
        errors: list[BaseException] = []

        def run():
            try:
                results.append(function(*args, **options))
            except BaseException as error:  # a panic is no Exception
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self._late = thread
            raise DataError(self._refusal(f"took more than {seconds:.0f} seconds for a text"))
        if errors:
            if _is_panic(errors[0]):
                raise DataError(self._refusal("gave up on a text")) from errors[0]
            raise errors[0]
        return results[0]

    def _refusal(self, what):
        return f"The tokenizer of {self.name} {what}. Use another text, or another checkpoint."
