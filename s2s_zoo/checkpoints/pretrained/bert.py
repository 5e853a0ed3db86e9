"""What others have of BERT (Devlin et al. 2018, 1810.04805): its tokenizer, names in a block."""

from s2s_zoo.checkpoints.pretrained.limits import plain_errors
from s2s_zoo.checkpoints.pretrained.tokenizers import (
    Files,
    JsonTokenizer,
    Read,
    from_json,
    import_tokenizers,
    need,
)
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.types import Config

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
UNKNOWN, FIRST = SPECIAL[1], SPECIAL[2]
# What its tokenizer reads of tokenizer_config.json, and what that is called in a tokenizer.json.
SETTINGS = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
# How a name of ours becomes one of theirs, within a block; the first that fits.
BLOCK = (
    ("self_attention/output", "attention.output.dense"),
    ("self_attention_norm", "attention.output.LayerNorm"),
    ("self_attention", "attention.self"),
    ("cross_attention/output", "crossattention.output.dense"),
    ("cross_attention_norm", "crossattention.output.LayerNorm"),
    ("cross_attention", "crossattention.self"),
    ("feed_forward/hidden", "intermediate.dense"),
    ("feed_forward/output", "output.dense"),
    ("feed_forward_norm", "output.LayerNorm"),
)
LEAVES = (("/kernel", ".weight"), ("/gamma", ".weight"), ("/beta", ".bias"))


def tokenizer(files: Files, config: Config) -> Read:
    """WordPiece, from tokenizer.json where there is one, else from vocab.txt.

    Args:
        files: dict from the names of the tokenizer files to their bytes.
        config: dict, tokenizer_config.json; what it says of `SETTINGS` comes before what
            tokenizer.json says.

    Raises:
        CheckpointError: if files are missing, or are those of another kind of tokenizer.
    """
    tokenizers = import_tokenizers()
    said = {SETTINGS[name]: config[name] for name in SETTINGS if config.get(name) is not None}
    if "tokenizer.json" in files:
        made, used = from_json(files, UNKNOWN)
        made.set_normalizer(said)
        return made, used
    need(files, "bert", ("vocab.txt",))
    try:
        lines = files["vocab.txt"].decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CheckpointError(f"vocab.txt is no text: {error}. Download it again.") from error
    vocabulary = {piece: i for i, piece in enumerate(lines)}
    with plain_errors("vocab.txt"):
        cut = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token=UNKNOWN))
    cut.normalizer = tokenizers.normalizers.BertNormalizer()
    cut.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    cut.decoder = tokenizers.decoders.WordPiece()
    cut.add_special_tokens([piece for piece in SPECIAL if piece in vocabulary])
    made = JsonTokenizer(cut, UNKNOWN)
    made.set_normalizer(said)
    return made, ("vocab.txt",)
