"""A tokenizer that is one file."""

import hashlib
from pathlib import Path


class ModelFile:
    """A tokenizer that is made from the bytes of one file, `model_bytes`."""

    @classmethod
    def load(cls, path):
        """Reads the file of a tokenizer."""
        return cls(Path(path).read_bytes())

    def save(self, path):
        """Writes the file of the tokenizer."""
        Path(path).write_bytes(self.model_bytes)

    @property
    def sha256(self):
        """Hex digest of the file."""
        return hashlib.sha256(self.model_bytes).hexdigest()
