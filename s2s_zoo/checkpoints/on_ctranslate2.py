"""A Transformer in the layout of CTranslate2, of our weights and without torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from s2s_zoo.protocol import END, PAD
from s2s_zoo.protocol.errors import CheckpointError

QUANTIZATIONS = (
    *("float32", "float16", "bfloat16", "int16"),
    *("int8", "int8_float32", "int8_float16", "int8_bfloat16"),
)
ACTIVATIONS = {"relu": "RELU", "gelu": "GELU", "gelu_tanh": "GELUTanh", "swish": "SWISH"}
# The options of both sides that are in what is written; of others a model may say nothing.
OPTIONS = frozenset(
    "name trainable dtype vocabulary_size embedding_dim layers heads hidden_dim head_dim "
    "activation gated norm normalization epsilon embedding_norm positions relative_positions "
    "scale_embedding scale_scores bias dropout tie_embeddings output_bias start_token".split()
)
POSITIONS = 1024  # of a table that could have any length, at least
REMEDY = "Use it with Keras: from_pretrained without engine=…, or another format of export."


def package() -> Any:
    """The package ctranslate2.

    Raises:
        CheckpointError: where it is not installed.
    """
    try:
        import ctranslate2
    except ModuleNotFoundError as error:
        raise CheckpointError(
            "CTranslate2 is a package of its own: pip install 's2s-zoo[ctranslate2]'. Received: no "
            "ctranslate2."
        ) from error
    return ctranslate2


def check_convertible(model: Any) -> None:
    """Raises ValueError for a model that CTranslate2 cannot hold, saying all that it lacks."""
    if reasons := list(_reasons(model)):
        raise ValueError(
            "CTranslate2 computes Transformers that read and write text. Received: "
            f"{'; '.join(reasons)}. {REMEDY}"
        )


def positions_of(model: Any, wanted: int) -> int | None:
    """The most tokens of a text that a converted model takes, or None where any number is.

    Args:
        model: a convertible `Seq2Seq`.
        wanted: int, the tokens of the longest text that it will be given.
    """
    from s2s_zoo.layers.positions import LearnedPositions

    stacks = model.encoder.stack, model.decoder.stack
    tables = [stack.positions for stack in stacks if _biases(stack)[0] is None]
    learned = [table.length for table in tables if isinstance(table, LearnedPositions)]
    if len(learned) < len(tables):
        learned.append(max(POSITIONS, wanted))
    return min(learned, default=None)


def write_model(
    model: Any,
    directory: Path,
    vocabularies: tuple[Sequence[str], Sequence[str]],
    unknown: int,
    positions: int | None = None,
    quantization: str | None = None,
    adds_end: bool = False,
) -> None:
    """Writes model.bin, config.json and the vocabularies that CTranslate2 reads.

    The embedding of every id stays where it is, PAD's too, and the decoder starts from that of
    `start_token`, as here.

    Args:
        model: a `Seq2Seq`.
        directory: path, made.
        vocabularies: the names of the ids of the source and of the target, each once.
        unknown: int, the id of the unknown token.
        positions: int, as `positions_of` gives it.
        quantization: one of `QUANTIZATIONS`, or None for float32.
        adds_end: bool, whether CTranslate2 is to put END behind a source.

    Raises:
        ValueError: for a model that CTranslate2 cannot hold, or an unknown quantization.
        CheckpointError: where ctranslate2 is not installed.
    """
    if quantization is not None and quantization not in QUANTIZATIONS:
        raise ValueError(
            f"CTranslate2 expected a quantization of {', '.join(QUANTIZATIONS)}. Received: "
            f"{quantization!r}."
        )
    check_convertible(model)
    package()
    from ctranslate2.specs import TransformerSpec

    encoder, decoder = model.encoder, model.decoder
    spec = TransformerSpec(_side(encoder, positions), _side(decoder, positions))
    output = decoder.output_projection
    shared = spec.decoder.embeddings.weight
    spec.decoder.projection.weight = shared if output.tied else _numbers(output.kernel).T
    if decoder.output_bias is not None:
        spec.decoder.projection.bias = _numbers(decoder.output_bias)
    spec.decoder.alignment_layer = np.int16(-1)
    spec.decoder.alignment_heads = np.int16(0)  # the mean of all
    source, target = (list(names) for names in vocabularies)
    spec.register_source_vocabulary(source)
    spec.register_target_vocabulary(target)
    config = spec.config
    config.unk_token, config.eos_token, config.bos_token = target[unknown], target[END], target[PAD]
    config.decoder_start_token = target[decoder.start_token]
    config.add_source_eos = adds_end
    config.layer_norm_epsilon = encoder.options["epsilon"]
    spec.validate()
    spec.optimize(quantization)
    directory.mkdir()
    spec.save(str(directory))


def _reasons(model):
    """Yields what of a model CTranslate2 has nothing for."""
    from s2s_zoo.decoders.transformer import TransformerDecoder
    from s2s_zoo.encoders.transformer import TransformerEncoder

    sides = [getattr(model, side, None) for side in ("encoder", "decoder")]
    wanted = TransformerEncoder, TransformerDecoder
    others = [
        (side, kind) for side, kind in zip(sides, wanted, strict=True) if type(side) is not kind
    ]
    for side, kind in others:
        yield f"{type(side if side is not None else model).__name__}, no {kind.__name__}"
    if others:
        return
    for side in sides:
        name = type(side).__name__
        for option, value in side.get_config().items():
            if option not in OPTIONS and value is not None and value is not False and value != 0:
                yield f"{name} with {option}={value!r}"
        if side.options["embedding_norm"] == "before":
            yield f"{name} with embedding_norm='before'"
        bias = _biases(side.stack)[0]
        if None not in (side.stack.positions, bias):
            yield f"{name} with positions and relative_positions at once"
        if bias is not None and not _same_buckets(bias):
            yield f"{name} whose relative_positions it would put into other buckets"
    if len({side.options["epsilon"] for side in sides}) > 1:
        yield "an encoder and a decoder of different epsilon"
    if sides[0].memory_dim != sides[1].embedding_dim:
        yield "an encoder and a decoder of different widths"
    if model.quantized_within():
        yield "a quantized model"


def _biases(stack):
    """The relative bias of each block, which all may share; None where there is none."""
    return [block.relative_bias or stack.relative_bias for block in stack.blocks]


def _same_buckets(bias):
    """Whether CTranslate2 puts every distance into the bucket that it has here.

    It adds what is exact before it rounds down, in float32.
    """
    distance, part = np.arange(-bias.max_distance, bias.max_distance + 1), np.float32
    buckets = bias.buckets // 2 if bias.bidirectional else bias.buckets
    exact, later = buckets // 2, distance > 0
    distance = np.abs(distance) if bias.bidirectional else np.maximum(-distance, 0)
    far = np.log(np.maximum(distance, 1).astype("float32") / part(exact))
    far = far / np.log(part(bias.max_distance) / part(exact)) * part(buckets - exact)
    found = np.minimum((part(exact) + far).astype("int32"), buckets - 1)
    found = np.where(distance < exact, distance, found) + buckets * later * bias.bidirectional
    return np.array_equal(found, bias.bucket_of)


def _side(layer, positions):
    """The specification of an encoder or a decoder, with its weights."""
    from ctranslate2.specs import common_spec, transformer_spec

    options, stack, decodes = layer.options, layer.stack, layer.stack.causal
    biases = _biases(stack)
    kind = "TransformerDecoderSpec" if decodes else "TransformerEncoderSpec"
    spec = getattr(transformer_spec, kind)(
        options["layers"],
        options["heads"],
        pre_norm=options["norm"] == "pre",
        activation=common_spec.Activation[ACTIVATIONS[options["activation"]]],
        layernorm_embedding=options["embedding_norm"],
        relative_attention_bias=biases[0] is not None,
        ffn_glu=options["gated"],
        rms_norm=options["normalization"] == "rms",
        head_dim=options["head_dim"],
    )
    embeddings = spec.embeddings if decodes else spec.embeddings[0]
    embeddings.weight = _numbers(layer.embedding.embeddings)
    spec.scale_embeddings = layer.embedding.scaled
    if biases[0] is None:
        spec.position_encodings.encodings = _encodings(layer, positions)
    if stack.embedding_norm is not None:
        _set_norm(spec.layernorm_embedding, stack.embedding_norm)
    if stack.final_norm is not None:
        _set_norm(spec.layer_norm, stack.final_norm)
    for one, block, bias in zip(spec.layer, stack.blocks, biases, strict=True):
        mixers = [one.self_attention, *([one.attention] if decodes else [])]
        for part, attention, norm in zip(mixers, block.attentions, block.norms, strict=False):
            _set_attention(part, attention, part is one.self_attention)
            _set_norm(part.layer_norm, norm)
        if bias is not None:
            one.self_attention.relative_attention_bias = _numbers(bias.embeddings)
            one.self_attention.relative_attention_max_distance = np.int32(bias.max_distance)
        feed_forward = block.feed_forward
        _set_linear(one.ffn.linear_0, feed_forward.hidden)
        _set_linear(one.ffn.linear_1, feed_forward.output_projection)
        if feed_forward.gate is not None:
            _set_linear(one.ffn.linear_0_noact, feed_forward.gate)
        _set_norm(one.ffn.layer_norm, block.norms[-1])
    return spec


def _encodings(layer, positions):
    """The vectors (positions, E) that are added to embedded tokens."""
    if layer.stack.positions is None:
        return np.zeros((positions, layer.embedding_dim), "float32")
    return _numbers(layer.stack.positions(np.arange(positions, dtype="int32")))


def _set_attention(spec, attention, to_itself):
    if not attention.scaled:
        spec.queries_scale = 1.0
    projections = [
        attention.query_projection,
        attention.key_projection,
        attention.value_projection,
    ]
    parts = [projections] if to_itself else [projections[:1], projections[1:]]
    for linear, layers in zip(spec.linear, parts, strict=False):
        _set_linear(linear, *layers)
    _set_linear(spec.linear[-1], attention.output_projection)


def _set_linear(spec, *layers):
    """Gives a linear layer the matrices of one or several, one below the other."""
    spec.weight = np.concatenate([_numbers(layer.kernel).T for layer in layers])
    if layers[0].use_bias:
        spec.bias = np.concatenate([_numbers(layer.bias) for layer in layers])


def _set_norm(spec, norm):
    if hasattr(norm, "beta"):
        spec.gamma, spec.beta = _numbers(norm.gamma), _numbers(norm.beta)
    else:
        spec.gamma = _numbers(norm.scale)


def _numbers(weight):
    """A weight as a float32 array."""
    import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip
    from keras import ops

    return np.asarray(ops.convert_to_numpy(ops.cast(weight, "float32")))
