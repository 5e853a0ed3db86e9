"""mBART and mBART-50 (Liu et al. 2020, 2001.08210; Tang et al. 2020, 2008.00401)."""

from collections.abc import Collection

from s2s_zoo.checkpoints.pretrained import bart
from s2s_zoo.checkpoints.pretrained.family import Family, Languages
from s2s_zoo.checkpoints.pretrained.tokenizers import SPECIAL, Files, Read, renumbered
from s2s_zoo.protocol.types import Config

# The languages of mBART-50, whose files do not name them, in the order of their ids; the first 25
# are those of mbart-large-cc25.
CODES = (
    "ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT "
    "lv_LV my_MM ne_NP nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN af_ZA az_AZ bn_IN fa_IR he_IL "
    "hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF pt_XX sv_SE sw_KE ta_IN te_IN "
    "th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI"
).split()
FIRST = 25


def describe(config: Config) -> tuple[Config, Config]:
    positions = {"name": "learned", "length": config["max_position_embeddings"], "offset": 2}
    return bart.stack(config, positions=positions, embedding_norm=True, norm="pre")


def tokenizer(files: Files, config: Config) -> Read:
    def number(pieces):
        vocabulary = {piece: i + 1 for i, piece in enumerate(pieces)}
        vocabulary |= {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
        codes = CODES if "50" in str(config.get("tokenizer_class")) else CODES[:FIRST]
        extra = [*codes, "<mask>"]
        vocabulary |= {piece: len(pieces) + 1 + i for i, piece in enumerate(extra)}
        return vocabulary, [*SPECIAL[:4], *extra]

    return renumbered(files, "mbart", "sentencepiece.bpe.model", number)


def starts_with_target(languages: Collection[str]) -> bool:
    """True of mbart-large-cc25, not of mBART-50, which reads its own end token first."""
    return len(languages) <= FIRST


FAMILY = Family(
    task="translation",
    defaults=bart.IDS,
    describe=describe,
    names=bart.names,
    tokenizer=tokenizer,
    languages=Languages(
        pattern=r"([a-z]{2}_[A-Z]{2})",
        place="ends",
        target_starts=starts_with_target,
    ),
)
