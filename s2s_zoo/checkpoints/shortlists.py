"""The file of a shortlist."""

from pathlib import Path

from s2s_zoo.generation.shortlist import TENSORS, Shortlist
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import AGAIN, read_file
from s2s_zoo.protocol.safetensors_file import parse_tensors, read_header


def load_shortlist(path: Path) -> Shortlist:
    """Reads the file of a shortlist, its header before its content.

    Raises:
        CheckpointError: if it is no such file, or what it holds does not fit together.
    """
    header = read_header(path)
    names = {*TENSORS, "target_size"}
    if header.keys() != names or any(
        len(shape) != 1 or dtype != "I32" for shape, dtype in header.values()
    ):
        raise CheckpointError(
            f"{path} expected {', '.join(sorted(names))}, one-dimensional and I32. "
            f"Received: {', '.join(header)}. {AGAIN}"
        )
    arrays = parse_tensors(read_file(path))
    try:
        [size] = arrays.pop("target_size").tolist()
        return Shortlist(target_size=size, **arrays)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error} {AGAIN}") from error
