"""The weights of a checkpoint of the translation recipe, for the PyTorch peer of `decode.py`.

So both sides decode one and the same model. The peer does not scale its embeddings on the way in:
what reads them is scaled instead. Keras and PyTorch order the gates of an LSTM alike.
"""

import numpy as np
from safetensors.numpy import load_file


def convert(checkpoint, path):
    """Writes `model.safetensors` of a checkpoint as an .npz of the peer's names.

    Args:
        checkpoint: Path of the directory.
        path: Path of the file.

    Raises:
        KeyError: naming a weight that one side lacks, where the model is not the recipe's.
    """
    weights = load_file(checkpoint / "model.safetensors")
    ours = {name: value.astype("float32") for name, value in weights.items()}
    embeddings = ours.pop("encoder/embedding/embeddings")
    scale = embeddings.shape[1] ** 0.5
    found = {"emb.weight": embeddings, "out_bias": ours.pop("decoder/output_bias")}
    for theirs, layer in (
        ("fwd", "encoder/forward_0"),
        ("bwd", "encoder/backward_0"),
        ("dec", "decoder/layer_0"),
    ):
        kernel, bias = (ours.pop(f"{layer}/lstm_cell/{x}") for x in ("kernel", "bias"))
        found[f"{theirs}.weight_ih_l0"] = scale * kernel.T
        found[f"{theirs}.weight_hh_l0"] = ours.pop(f"{layer}/lstm_cell/recurrent_kernel").T
        found |= {f"{theirs}.bias_ih_l0": bias, f"{theirs}.bias_hh_l0": np.zeros_like(bias)}
    h, c = "decoder/bridge_0_0", "decoder/bridge_0_1"
    found["bridge.weight"] = np.concatenate([ours.pop(f"{x}/kernel").T for x in (h, c)])
    found["bridge.bias"] = np.concatenate([ours.pop(f"{x}/bias") for x in (h, c)])
    found["key.weight"] = (
        ours.pop("decoder/attention/gain") * ours.pop("decoder/attention/key/kernel").T
    )
    found["combine.weight"] = ours.pop("decoder/readout/kernel").T
    if ours:
        raise KeyError(f"The peer has no {', '.join(sorted(ours))}.")
    np.savez(path, **found)
