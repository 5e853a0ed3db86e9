"""A Whisper that CTranslate2 wrote, as faster-whisper loads it: the same model, other names."""

import dataclasses
import re
from pathlib import Path

from s2s_zoo.checkpoints.pretrained import whisper
from s2s_zoo.checkpoints.pretrained.ctranslate2_file import SPECIFICATION
from s2s_zoo.checkpoints.pretrained.sides import read_files
from s2s_zoo.checkpoints.pretrained.tensors import Tensors, rows
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

START, END = "<|startoftranscript|>", "<|endoftext|>"
ORIGINAL = "Load the original, such as hf://openai/whisper-base."
# What generation_config.json says, as config.json has it here.
SAID = {
    "suppress_ids": "suppress_tokens",
    "suppress_ids_begin": "begin_suppress_tokens",
    "alignment_heads": "alignment_heads",
}
NEEDED = (
    "decoder/embeddings/weight",
    "encoder/conv1/weight",
    *(f"{half}/position_encodings/encodings" for half in ("encoder", "decoder")),
    *(f"{half}/layer_0/ffn/linear_0/weight" for half in ("encoder", "decoder")),
)
# What a part of a layer is called there; projections that read the same are one matrix here.
ATTENTIONS = {
    "self_attention": ("self_attn", (("q_proj", "k_proj", "v_proj"), ("out_proj",))),
    "attention": ("encoder_attn", (("q_proj",), ("k_proj", "v_proj"), ("out_proj",))),
}
NAMES = (
    (r"embeddings/", "embed_tokens."),
    (r"position_encodings/encodings", "embed_positions.weight"),
    (r"layer_(\d+)/", r"layers.\1."),
    (r"self_attention/layer_norm", "self_attn_layer_norm"),
    (r"attention/layer_norm", "encoder_attn_layer_norm"),
    (r"ffn/layer_norm", "final_layer_norm"),
    (r"ffn/linear_0", "fc1"),
    (r"ffn/linear_1", "fc2"),
    (r"/gamma", ".weight"),
    (r"/beta", ".bias"),
    (r"/", "."),
)


def unify(config: Config, tensors: Tensors, directory: Path) -> tuple[Config, Tensors]:
    """Returns config and tensors as a Whisper of the Hub has them."""
    tensors.pop(SPECIFICATION)
    heads = {half: _heads(tensors, half) for half in ("encoder", "decoder")}
    if missing := [name for name in NEEDED if name not in tensors]:
        raise CheckpointError(f"model.bin lacks {', '.join(missing)} of a Whisper. {ORIGINAL}")
    matrix = tensors["decoder/embeddings/weight"]
    output = tensors.pop("decoder/projection/weight", matrix)
    pieces = whisper.tokenizer(read_files(directory), {})[0].vocabulary
    if absent := [piece for piece in (END, START) if piece not in pieces]:
        raise CheckpointError(f"tokenizer.json has no {', '.join(absent)}. {ORIGINAL}")
    taken: Tensors = {}
    for name in sorted(tensors):
        tensor = tensors[name]
        if not tensor.shape:  # an attribute
            continue
        found = re.fullmatch(r"(.*)/(self_attention|attention)/linear_(\d)/(weight|bias)", name)
        if found:
            layer, mixer, number, kind = found.groups()
            ours, groups = ATTENTIONS[mixer]
            group = groups[int(number)]
            for i, part in enumerate(group):
                taken[f"{_name(layer + '/')}{ours}.{part}.{kind}"] = rows(tensor, i, len(group))
        else:
            taken[_name(name)] = tensor
    if output is not matrix:
        taken["proj_out.weight"] = output
    counts = {
        half: len({name.split("/")[1] for name in tensors if name.startswith(f"{half}/layer_")})
        - (f"{half}/layer_norm/gamma" in tensors)
        for half in heads
    }
    said = {theirs: config[ours] for ours, theirs in SAID.items() if config.get(ours) is not None}
    unified = {
        "model_type": config["model_type"],
        "pad_token_id": pieces[END],
        "eos_token_id": pieces[END],
        "decoder_start_token_id": pieces[START],
        "vocab_size": matrix.shape[0],
        "d_model": matrix.shape[1],
        "num_mel_bins": taken["encoder.conv1.weight"].shape[1],
        "max_source_positions": taken["encoder.embed_positions.weight"].shape[0],
        "max_target_positions": taken["decoder.embed_positions.weight"].shape[0],
        "tie_word_embeddings": output is matrix,
        **{f"{half}_layers": count for half, count in counts.items()},
        **{f"{half}_attention_heads": count for half, count in heads.items()},
        **{f"{half}_ffn_dim": taken[f"{half}.layers.0.fc1.weight"].shape[0] for half in heads},
    }
    unified, taken = whisper.unify(unified, taken, directory)
    return {**unified, "speech": said}, taken


def _heads(tensors, half):
    name = f"{half}/num_heads"
    if name not in tensors:
        raise CheckpointError(f"model.bin lacks {name}. {ORIGINAL}")
    return int(tensors.pop(name).read())


def _name(name):
    for there, here in NAMES:
        name = re.sub(there, here, name)
    return name


FAMILY = dataclasses.replace(whisper.FAMILY, unify=unify)
