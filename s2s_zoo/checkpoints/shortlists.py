"""The file of a shortlist."""

from s2s_zoo.checkpoints.weights import read_header
from s2s_zoo.generation.shortlist import TENSORS, Shortlist
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import AGAIN, read_file


def load_shortlist(path):
    """Reads the file of a shortlist, its header before its content.

    Raises:
        CheckpointError: if it is no such file, or what it holds does not fit together.
    """
    from safetensors.numpy import load as load_tensors

    header = read_header(path)
    names = {*TENSORS, "target_size"}
    if header.keys() != names or any(
        len(shape) != 1 or dtype != "I32" for shape, dtype in header.values()
    ):
        raise CheckpointError(
            f"{path} expected {', '.join(sorted(names))}, one-dimensional and I32. "
            f"Received: {', '.join(header)}. {AGAIN}"
        )
    arrays = load_tensors(read_file(path))
    try:
        [size] = arrays.pop("target_size").tolist()
        return Shortlist(target_size=size, **arrays)
    except ValueError as error:
        raise CheckpointError(f"{path}: {error} {AGAIN}") from error
