"""A tokenizer that is one file."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import StrPath


class ModelFile:
    """A tokenizer that is made from the bytes of one file, `model_bytes`."""

    def __init__(self, model: bytes) -> None:
        self.model_bytes = bytes(model)

    def lines(self) -> list[str]:
        """The lines of a file that is a list of words.

        Raises:
            CheckpointError: if the bytes are not UTF-8.
        """
        try:
            return self.model_bytes.decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise CheckpointError(
                f"The {len(self.model_bytes)} bytes are no list of words: not valid UTF-8 at byte "
                f"{error.start + 1}. Download the file again."
            ) from error

    if TYPE_CHECKING:

        @property
        def vocabulary_size(self) -> int: ...

    def __reduce__(self) -> Any:
        return type(self), (self.model_bytes,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.vocabulary_size:,} units)"

    @classmethod
    def load(cls, path: StrPath) -> Self:
        """Reads the file of a tokenizer."""
        return cls(Path(path).read_bytes())

    def save(self, path: StrPath) -> None:
        """Writes the file of the tokenizer."""
        Path(path).write_bytes(self.model_bytes)

    @property
    def sha256(self) -> str:
        """Hex digest of the file."""
        return hashlib.sha256(self.model_bytes).hexdigest()
