"""Small random checkpoints of every family, made by transformers with tokenizers of its own."""

import json

import numpy as np

from tests.checkpoints.pretrained.lines import (
    LINES,
    pieces_model,
    write_byte_pairs,
    write_marian_pieces,
    write_words,
)

END_SCALE = 2.5  # random models would hardly ever end
SIZES = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 96,
    "init_std": 0.25,
}


def make(family, directory, **options):
    """Writes a checkpoint as transformers does, with weights that tell sources apart.

    Returns:
        The torch model and the tokenizer of transformers.
    """
    import torch

    untie, end_scale = options.pop("untie", False), options.pop("end_scale", END_SCALE)
    model, tokenizer = prepare(family, directory, **options)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name and "relative" not in name:
                parameter.normal_(0, 0.1)
            if name.endswith("norm.weight"):
                parameter.uniform_(0.7, 1.3)
        if untie:
            model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
        model.get_output_embeddings().weight[model.config.eos_token_id] *= end_scale
        if hasattr(model, "final_logits_bias"):
            model.final_logits_bias.normal_(0, 0.5)
            if family == "plbart":  # a rule against repetition reads the start there, and none here
                model.final_logits_bias[0, model.config.decoder_start_token_id] = -50
                model.final_logits_bias[0, model.config.eos_token_id] = 6
    model.save_pretrained(directory)
    return model, tokenizer


def prepare(family, directory, **options):
    """Writes the tokenizer of a checkpoint.

    Args:
        **options: of its config, in place of the small sizes here.

    Returns:
        The torch model, with the weights that transformers draws, and the tokenizer.
    """
    import torch

    directory.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    tokenizer, model = globals()[f"_{family}"](directory, options)
    return model.eval(), tokenizer


def _marian(directory, options):
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    vocabulary, more = write_marian_pieces(directory, 180, 160), {}
    for code in options.pop("codes", ()):
        vocabulary[f">>{code}<<"] = len(vocabulary)
    pad = vocabulary["<pad>"] = len(vocabulary)
    (directory / "vocab.json").write_text(json.dumps(vocabulary))
    if options.pop("separate", False):
        # The same pieces in another order, and some that only targets have.
        words = [piece for piece in vocabulary if piece not in ("</s>", "<unk>", "<pad>")]
        pieces = ["</s>", "<unk>", *reversed(words), "<pad>", *(f"<extra_{i}>" for i in range(5))]
        target = {piece: i for i, piece in enumerate(pieces)}
        (directory / "target_vocab.json").write_text(json.dumps(target))
        options |= {
            "share_encoder_decoder_embeddings": False,
            "decoder_vocab_size": len(target),
        }
        more = {"separate_vocabs": True}
    tokenizer = MarianTokenizer.from_pretrained(
        directory, source_lang="de", target_lang="en", **more
    )
    config = MarianConfig(
        pad_token_id=pad,
        decoder_start_token_id=pad,
        eos_token_id=0,
        forced_eos_token_id=0,
        activation_function="swish",
        scale_embedding=True,
        **{"vocab_size": len(vocabulary), **SIZES, **options},
    )
    model = MarianMTModel(config)
    model.generation_config.update(num_beams=4, bad_words_ids=[[pad]], max_length=40)
    tokenizer.save_pretrained(directory)
    return tokenizer, model


def _bart(directory, options):
    from transformers import BartConfig, BartForConditionalGeneration, BartTokenizer

    write_byte_pairs(directory, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer = BartTokenizer.from_pretrained(directory)
    tokenizer.save_pretrained(directory)
    config = BartConfig(forced_bos_token_id=0, **{"vocab_size": 425, **SIZES, **options})
    model = BartForConditionalGeneration(config)
    model.generation_config.update(
        num_beams=4, max_length=24, min_length=8, no_repeat_ngram_size=3, early_stopping=True,
        length_penalty=2.0, forced_bos_token_id=0,
    )  # fmt: skip
    return tokenizer, model


def _mbart(directory, options):
    from transformers import MBart50Tokenizer, MBartConfig, MBartForConditionalGeneration

    (directory / "sentencepiece.bpe.model").write_bytes(pieces_model(200)[0])
    tokenizer = MBart50Tokenizer.from_pretrained(directory, src_lang="de_DE", tgt_lang="en_XX")
    tokenizer.save_pretrained(directory)
    config = MBartConfig(
        scale_embedding=True,
        activation_function="relu",
        decoder_start_token_id=2,
        **{"vocab_size": len(tokenizer), **SIZES, **options},
    )
    model = MBartForConditionalGeneration(config)
    code = tokenizer.convert_tokens_to_ids("en_XX")
    model.generation_config.update(num_beams=5, max_length=24, forced_bos_token_id=code)
    return tokenizer, model


def cc25(directory):
    """An mBART of the older form, with 25 languages."""
    from transformers import MBartConfig, MBartForConditionalGeneration, MBartTokenizer

    directory.mkdir()
    (directory / "sentencepiece.bpe.model").write_bytes(pieces_model(200)[0])
    tokenizer = MBartTokenizer.from_pretrained(directory, src_lang="de_DE", tgt_lang="ro_RO")
    config = MBartConfig(vocab_size=len(tokenizer), scale_embedding=True, **SIZES)
    model = MBartForConditionalGeneration(config)
    model.save_pretrained(directory)
    return model, tokenizer


def _m2m_100(directory, options):
    from transformers import M2M100Config, M2M100ForConditionalGeneration, M2M100Tokenizer

    spm, pieces = pieces_model(200)
    (directory / "sentencepiece.bpe.model").write_bytes(spm)
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *pieces[3:]]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    (directory / "vocab.json").write_text(json.dumps(vocabulary))
    tokenizer = M2M100Tokenizer.from_pretrained(directory, src_lang="de", tgt_lang="en")
    tokenizer.save_pretrained(directory)
    config = M2M100Config(**{"vocab_size": len(pieces) + 108, **SIZES, **options})
    model = M2M100ForConditionalGeneration(config)
    model.generation_config.update(
        num_beams=5, max_length=24, forced_bos_token_id=tokenizer.get_lang_id("en"),
        forced_eos_token_id=2,
    )  # fmt: skip
    return tokenizer, model


def _nllb(directory, options):
    from tokenizers import SentencePieceBPETokenizer
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    trained = SentencePieceBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trained.train_from_iterator(LINES, 300, special_tokens=special, show_progress=False)
    files = [directory.parent / name for name in ("vocab.json", "merges.txt")]
    trained.save_model(str(directory.parent))
    merges = [tuple(line.split(" ")) for line in files[1].read_text().splitlines()[1:]]
    tokenizer = NllbTokenizer(
        json.loads(files[0].read_text()), merges, src_lang="deu_Latn", tgt_lang="eng_Latn"
    )
    tokenizer.save_pretrained(directory)
    config = M2M100Config(**{"vocab_size": len(tokenizer), **SIZES, **options})
    model = M2M100ForConditionalGeneration(config)
    model.generation_config.update(
        num_beams=4,
        max_length=24,
        forced_bos_token_id=tokenizer.convert_tokens_to_ids("eng_Latn"),
        forced_eos_token_id=2,
    )
    return tokenizer, model


def _pegasus(directory, options):
    from transformers import PegasusConfig, PegasusForConditionalGeneration, PegasusTokenizer

    ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    (directory / "spiece.model").write_bytes(pieces_model(200, **ids)[0])
    tokenizer = PegasusTokenizer.from_pretrained(directory)
    config = PegasusConfig(
        scale_embedding=True,
        activation_function="relu",
        **{"vocab_size": len(tokenizer), **SIZES, **options},
    )
    model = PegasusForConditionalGeneration(config)
    model.generation_config.update(num_beams=8, max_length=24, length_penalty=0.6)
    return tokenizer, model


def _t5(directory, options, kind="T5", tokenizer=None):
    import transformers

    if tokenizer is None:
        ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
        (directory / "spiece.model").write_bytes(pieces_model(200, **ids)[0])
        tokenizer = transformers.T5Tokenizer.from_pretrained(directory)
    config = getattr(transformers, f"{kind}Config")(
        **{
            "vocab_size": len(tokenizer) + 20,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 48,
            "num_layers": 2,
            "num_decoder_layers": 2,
            "num_heads": 4,
            "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 20,
            "decoder_start_token_id": 0,
            "initializer_factor": 1.0,
            **options,
        }
    )
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config)
    end = config.eos_token_id
    model.generation_config.update(num_beams=4, max_length=24, forced_eos_token_id=end)
    return tokenizer, model


def _mt5(directory, options):
    return _t5(directory, options, "MT5")


def _umt5(directory, options):
    return _t5(directory, options, "UMT5")


def _longt5(directory, options):
    sizes = {
        "local_radius": 3,
        "global_block_size": 4,
        "encoder_attention_type": "transient-global",
    }
    return _t5(directory, {**sizes, **options}, "LongT5")


def _byt5(directory, options):
    from transformers import ByT5Tokenizer

    tokenizer = ByT5Tokenizer()
    tokenizer.save_pretrained(directory)
    return _t5(directory, {"vocab_size": 384, **options}, tokenizer=tokenizer)


def _codet5(directory, options):
    from transformers import RobertaTokenizer

    write_byte_pairs(directory, ["<pad>", "<s>", "</s>", "<unk>", "<mask>"])
    tokenizer = RobertaTokenizer.from_pretrained(directory)
    tokenizer.save_pretrained(directory)
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return _t5(directory, {**ids, **options}, tokenizer=tokenizer)


def _blenderbot(directory, options):
    from tokenizers.processors import TemplateProcessing
    from transformers import (
        BlenderbotConfig,
        BlenderbotForConditionalGeneration,
        BlenderbotTokenizer,
    )

    special = ["<pad>", "<s>", "</s>", "<unk>", "<mask>"]
    write_byte_pairs(directory, special, add_prefix_space=True)
    tokenizer = BlenderbotTokenizer.from_pretrained(directory)
    # transformers 5 has lost the end of a text.
    end = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    tokenizer.backend_tokenizer.post_processor = end
    tokenizer.save_pretrained(directory)
    config = BlenderbotConfig(**{"vocab_size": len(tokenizer), **SIZES, **options})
    model = BlenderbotForConditionalGeneration(config)
    model.generation_config.update(
        num_beams=5, max_length=20, min_length=6, length_penalty=0.65, no_repeat_ngram_size=3,
        encoder_no_repeat_ngram_size=3, forced_eos_token_id=2,
    )  # fmt: skip
    return tokenizer, model


def write_word_pieces(directory):
    """Writes vocab.json and merges.txt of the first Blenderbot."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=240, end_of_word_suffix="</w>", show_progress=False)
    made.train_from_iterator([line.lower() for line in LINES], trainer)
    model = json.loads(made.to_str())["model"]
    pieces = [
        piece.removesuffix("</w>") if piece.endswith("</w>") else f"{piece}@@"
        for piece in model["vocab"]
    ]
    special = ["__null__", "__start__", "__end__", "__unk__", "__newln__"]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys([*special, *pieces]))}
    (directory / "vocab.json").write_text(json.dumps(vocabulary))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (directory / "merges.txt").write_text("\n".join(lines) + "\n")


def _blendersmall(directory, options):
    from transformers import (
        BlenderbotSmallConfig,
        BlenderbotSmallForConditionalGeneration,
        BlenderbotSmallTokenizer,
    )

    write_word_pieces(directory)
    tokenizer = BlenderbotSmallTokenizer.from_pretrained(directory)
    tokenizer.save_pretrained(directory)
    config = BlenderbotSmallConfig(**{"vocab_size": len(tokenizer), **SIZES, **options})
    model = BlenderbotSmallForConditionalGeneration(config)
    model.generation_config.update(num_beams=4, max_length=20, min_length=4, forced_eos_token_id=2)
    return tokenizer, model


def _plbart(directory, options):
    from transformers import PLBartConfig, PLBartForConditionalGeneration, PLBartTokenizer

    (directory / "sentencepiece.bpe.model").write_bytes(pieces_model(200)[0])
    codes = options.pop("language_codes", "base")
    tokenizer = PLBartTokenizer.from_pretrained(
        directory, language_codes=codes, src_lang="python", tgt_lang="en_XX"
    )
    tokenizer.save_pretrained(directory)
    start = tokenizer.lang_code_to_id["__en_XX__"]
    config = PLBartConfig(
        decoder_start_token_id=start, **{"vocab_size": len(tokenizer), **SIZES, **options}
    )
    model = PLBartForConditionalGeneration(config)
    model.generation_config.update(num_beams=4, max_length=24, forced_eos_token_id=2)
    return tokenizer, model


def _mvp(directory, options):
    from transformers import MvpConfig, MvpForConditionalGeneration, MvpTokenizer

    write_byte_pairs(directory, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer = MvpTokenizer.from_pretrained(directory)
    tokenizer.save_pretrained(directory)
    config = MvpConfig(**{"vocab_size": 425, **SIZES, **options})
    model = MvpForConditionalGeneration(config)
    model.generation_config.update(num_beams=5, max_length=20, forced_eos_token_id=2)
    return tokenizer, model


def _led(directory, options):
    from transformers import LEDConfig, LEDForConditionalGeneration, LEDTokenizer

    write_byte_pairs(directory, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer = LEDTokenizer.from_pretrained(directory)
    tokenizer.save_pretrained(directory)
    sizes = {k: v for k, v in SIZES.items() if k != "max_position_embeddings"}
    config = LEDConfig(
        **{
            "vocab_size": 425, "max_encoder_position_embeddings": 96,
            "max_decoder_position_embeddings": 40, "attention_window": [4, 8], **sizes, **options,
        }
    )  # fmt: skip
    model = LEDForConditionalGeneration(config)
    model.generation_config.update(
        num_beams=4, max_length=24, min_length=6, no_repeat_ngram_size=3, forced_eos_token_id=2
    )
    return tokenizer, model


def _prophetnet(directory, options):
    from transformers import (
        ProphetNetConfig,
        ProphetNetForConditionalGeneration,
        ProphetNetTokenizer,
    )

    write_words(directory)
    words = (directory / "vocab.txt").rename(directory / "prophetnet.tokenizer")
    words.write_text(words.read_text() + "[X_SEP]\n")
    tokenizer = ProphetNetTokenizer.from_pretrained(directory)
    tokenizer.save_pretrained(directory)
    end = tokenizer.sep_token_id
    config = ProphetNetConfig(
        **{
            "vocab_size": len(tokenizer), "hidden_size": 32, "num_encoder_layers": 2,
            "num_decoder_layers": 2, "num_encoder_attention_heads": 4, "encoder_ffn_dim": 48,
            "num_decoder_attention_heads": 2, "decoder_ffn_dim": 40, "num_buckets": 8,
            "relative_max_distance": 15, "max_position_embeddings": 96, "init_std": 0.25,
            "bos_token_id": end, "eos_token_id": end, "decoder_start_token_id": end, **options,
        }
    )  # fmt: skip
    model = ProphetNetForConditionalGeneration(config)
    model.generation_config.update(
        num_beams=5, max_length=20, min_length=4, length_penalty=2.0, no_repeat_ngram_size=3,
        early_stopping=True, forced_eos_token_id=end,
    )  # fmt: skip
    return tokenizer, model


def padded(rows, pad):
    """Rows of ids as one array, and its mask."""
    width = max(map(len, rows))
    ids = np.array([list(row) + [pad] * (width - len(row)) for row in rows])
    mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask
