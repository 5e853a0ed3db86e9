"""M2M-100 (Fan et al. 2020, 2010.11125) and NLLB (2207.04672)."""

from s2s_zoo.checkpoints.pretrained import bart
from s2s_zoo.checkpoints.pretrained.family import Family, Languages
from s2s_zoo.checkpoints.pretrained.tokenizers import (
    SPECIAL,
    Files,
    PieceTokenizer,
    Read,
    from_json,
    need,
    read_pieces,
    read_vocabulary,
)
from s2s_zoo.protocol.registry import lookup
from s2s_zoo.protocol.types import Config

# The languages of M2M-100, whose files do not name them, in the order of their ids.
CODES = (
    "af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu "
    "ha he hi hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr "
    "ms my ne nl no ns oc or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk "
    "ur uz vi wo xh yi yo zh zu"
).split()

# Of the checkpoints of WMT 2021.
WMT21 = ["en", "ha", "is", "ja", "cs", "ru", "zh", "de"]


def describe(config: Config) -> tuple[Config, Config]:
    # Positions are counted from the id of the padding, plus one.
    positions = {
        "name": "sinusoidal",
        "spacing": "tensor2tensor",
        "offset": config.get("pad_token_id", 1) + 1,
    }
    encoder, decoder = bart.stack(config, positions=positions, norm="pre")
    return encoder, {**decoder, "output_bias": False}


def tokenizer(files: Files, config: Config) -> Read:
    """NLLB has a tokenizer.json, M2M-100 a vocabulary without its languages."""
    if "vocab.json" not in files:
        need(files, "m2m_100", ("tokenizer.json",))
        return from_json(files)
    used = ("sentencepiece.bpe.model", "vocab.json")
    need(files, "m2m_100", used)
    vocabulary = read_vocabulary(files, "vocab.json")
    known = lookup(
        {"m2m100": CODES, "wmt21": WMT21}, config.get("language_codes", "m2m100"), "language_codes"
    )
    codes = [f"__{code}__" for code in known]
    vocabulary |= {code: len(vocabulary) + i for i, code in enumerate(codes)}
    pieces = read_pieces(files, used[0])
    return PieceTokenizer(pieces, pieces, vocabulary, [*SPECIAL[:4], *codes]), used


FAMILY = Family(
    task="translation",
    defaults={
        **bart.IDS,
        "decoder_start_token_id": 2,
        "activation_function": "relu",
        "scale_embedding": True,
    },
    describe=describe,
    names=bart.names,
    tokenizer=tokenizer,
    tokenizer_options=("language_codes", "legacy_behaviour"),
    languages=Languages(pattern=r"(?:__)?([a-z]{2,3}(?:_[A-Z][a-z]{3})?)(?:__)?", place="ends"),
)
