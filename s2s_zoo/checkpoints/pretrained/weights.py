"""Tensors by name from the files a repository of the Hub may hold, without torch.

Nothing is read before it is asked for, so that no more than one tensor is in memory beside the
model. Names are those of `pytorch_model.bin`, whatever the file.
"""

import re
from functools import partial
from pathlib import Path
from typing import Any

from s2s_zoo.checkpoints.layout import MARIAN
from s2s_zoo.checkpoints.pretrained.ctranslate2_file import read_model
from s2s_zoo.checkpoints.pretrained.npz_file import read_npz
from s2s_zoo.checkpoints.pretrained.pickled import read_pickle
from s2s_zoo.checkpoints.pretrained.tensors import AGAIN, Tensor, Tensors, tensor_at
from s2s_zoo.checkpoints.pretrained.vocabularies import marian_files
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import FOREIGN, check_file, read_json
from s2s_zoo.protocol.safetensors_file import read_places


def read_weights(directory: Path) -> Tensors:
    """Returns {name: Tensor} of a safetensors, tf_model.h5, pytorch_model.bin or model.bin.

    Raises:
        CheckpointError: if there is none of them, a shard is missing, or a file is truncated,
            corrupt, or a pickle that asks for anything but tensors.
    """
    for name, reader in (
        ("model.safetensors", read_safetensors),
        ("tf_model.h5", read_h5),
        ("pytorch_model.bin", read_pickle),
        ("model.bin", read_model),
    ):
        if (directory / name).is_file():
            return _read(directory / name, reader)
        index = directory / f"{name}.index.json"
        if index.is_file():
            return _read_shards(index, reader)
    if (directory / MARIAN).is_file():
        [path] = marian_files(directory, "models")
        return _read(path, read_npz)
    raise CheckpointError(
        f"{directory} holds no weights: expected model.safetensors, tf_model.h5 or "
        f"pytorch_model.bin, whole or with an index of shards. {AGAIN}"
    )


def _read_shards(index, reader):
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict):
        raise CheckpointError(f"{index} has no weight_map. {AGAIN}")
    tensors = {}
    for shard in sorted(set(map(str, places.values()))):
        path = index.parent / shard
        if Path(shard).name != shard or not path.is_file():
            raise CheckpointError(f"{path} is missing, and {index.name} lists it. {AGAIN}")
        tensors |= _read(path, reader)
    if absent := sorted(places.keys() - tensors.keys()):
        raise CheckpointError(
            f"{index.parent} lacks {', '.join(absent[:5])}, which {index.name} lists. {AGAIN}"
        )
    return tensors


def _read(path, reader):
    check_file(path, FOREIGN)
    if not (tensors := reader(path)):
        raise CheckpointError(f"{path} holds no weights. {AGAIN}")
    return tensors


def read_safetensors(path: Path) -> Tensors:
    """Returns {name: Tensor} of a safetensors file."""
    return {name: tensor_at(path, *place) for name, place in read_places(path).items()}


def read_h5(path: Path) -> Tensors:
    """Returns {name: Tensor} of a `tf_model.h5`, under the names PyTorch would give them."""
    import h5py

    tensors: Tensors = {}
    places: list[tuple[str, Any]] = []
    try:
        with h5py.File(path) as file:
            file.visititems_links(lambda name, link: places.append((name, link)))
            for name, link in places:
                item = file[name] if isinstance(link, h5py.HardLink) else link
                if isinstance(item, h5py.Group):
                    continue
                if not isinstance(item, h5py.Dataset) or not _is_whole(item):
                    raise CheckpointError(
                        f"{path} keeps {name} elsewhere, or packed: expected all of its numbers in "
                        "the file, as they are. Do not use this checkpoint."
                    )
                theirs, kernel = _torch_name(name)
                shape = item.shape[::-1] if kernel else item.shape
                tensors[theirs] = Tensor(
                    shape, str(item.dtype), partial(_read_h5, path, name, kernel)
                )
    except CheckpointError:
        raise
    except Exception as error:  # whatever h5py raises of it
        raise CheckpointError(
            f"{path} is no HDF5 file, or truncated: {error!s:.200}. {AGAIN}"
        ) from error
    return tensors


def _read_h5(path, name, kernel):
    import h5py

    with h5py.File(path) as file:
        value = file[name][()]
    return value.T if kernel else value


def _is_whole(dataset):
    """Whether all numbers of a dataset are in its file, none of them outside, packed or unsaid."""
    kept = dataset.id.get_create_plist()
    return (
        dataset.shape is not None
        and kept.get_external_count() == 0
        and kept.get_nfilters() == 0
        and not dataset.is_virtual
        and dataset.id.get_storage_size() >= dataset.size * dataset.dtype.itemsize
    )


def _torch_name(name):
    """The PyTorch name of a TensorFlow weight, and whether it is a kernel to be transposed.

    TensorFlow repeats the name of the model and of shared layers in the path:
    `model/tf_marian_mt_model/model/encoder/layers.0/fc1/kernel:0`.
    """
    parts = name.removesuffix(":0").split("/")
    roots = [i for i, part in enumerate(parts) if part in ("encoder", "decoder", "lm_head")]
    parts = parts[roots[0] :] if roots else parts
    kernel = parts[-1] == "kernel"
    leaf = {"kernel": "weight", "gamma": "weight", "beta": "bias", "embeddings": "weight"}
    parts[-1] = leaf.get(parts[-1], parts[-1])
    joined = re.sub(r"_\._", ".", ".".join(parts))
    if "shared" in joined:
        joined = "shared.weight"
    elif "final_logits_bias" in joined:
        joined = "final_logits_bias"
    return joined, kernel
