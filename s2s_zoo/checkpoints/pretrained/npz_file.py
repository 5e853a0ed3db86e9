"""The .npz that Marian writes: arrays in a zip, stored as they are."""

import io
import zipfile
from pathlib import Path

import numpy as np

from s2s_zoo.checkpoints.pretrained.tensors import AGAIN, Tensors, tensor_at
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.safetensors_file import MAX_RANK

HEADER = 1 << 12  # bytes that say what an array is
MOST_ARRAYS = 1 << 16
LOCAL = 30  # bytes of a file in a zip before its name


def read_npz(path: Path) -> Tensors:
    """Returns {name: Tensor} of a .npz file.

    Raises:
        CheckpointError: for arrays of objects, which would be a pickle, packed ones, and a file
            that is truncated or none.
    """
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            entries = archive.infolist()
            if len(entries) > MOST_ARRAYS:
                raise ValueError(f"{len(entries)} arrays, where at most {MOST_ARRAYS} are read")
            return {
                entry.filename.removesuffix(".npy"): _array(path, file, entry) for entry in entries
            }
    except Exception as error:  # whatever a zip, or the literal in a header, makes Python raise
        raise CheckpointError(
            f"{path} is no .npz of Marian, or truncated: {error!s:.200}. {AGAIN}"
        ) from error


def _array(path, file, entry):
    name = entry.filename
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise ValueError(f"{name:.80} is packed; write it with numpy.savez")
    file.seek(entry.header_offset + LOCAL - 4)
    lengths = np.frombuffer(file.read(4), "<u2")
    place = entry.header_offset + LOCAL + int(lengths.sum())
    file.seek(place)
    head = io.BytesIO(file.read(HEADER))
    version = np.lib.format.read_magic(head)
    read = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}
    if version not in read:
        raise ValueError(f"{name:.80} has the version {version} of its form")
    shape, fortran, dtype = getattr(np.lib.format, read[version])(head, max_header_size=HEADER)
    if dtype.hasobject or dtype.kind not in "fi" or dtype.byteorder == ">" or len(shape) > MAX_RANK:
        raise ValueError(f"{name:.80} is an array of {dtype}, where numbers are expected")
    if any(n < 0 for n in shape):
        raise ValueError(f"{name:.80} has the shape {shape!r:.50}")
    size = int(np.prod(shape, dtype=object)) * dtype.itemsize if shape else dtype.itemsize
    begins = place + head.tell()
    if head.tell() + size > entry.file_size or begins + size > path.stat().st_size:
        raise EOFError(f"{name:.80} is cut off")
    strides = None
    if fortran and len(shape) > 1:
        strides = [int(np.prod(shape[:axis], dtype=object)) for axis in range(len(shape))]
    return tensor_at(path, begins, dtype.name, shape, strides)
