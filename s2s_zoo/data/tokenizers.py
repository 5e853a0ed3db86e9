"""Text to ids and back. A tokenizer is one model file that travels with the weights."""

import bisect
import io
import random
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np
import sentencepiece

from s2s_zoo.data.model_file import ModelFile
from s2s_zoo.data.piece_models import check_model
from s2s_zoo.protocol import END, PAD, START, UNK
from s2s_zoo.protocol.errors import CheckpointError, DataError

SPACE = "▁"
ALTERNATIVES, RAREST = 16, 0.001  # segmentations of a word to draw from, and the least share
WORTH_THREADS = 32  # texts; starting the threads of a list takes longer than a few texts do


class SentencePieceTokenizer(ModelFile):
    """Subword units of a SentencePiece model (Kudo and Richardson 2018, 1808.06226).

    Args:
        model: bytes, the content of a model file whose ids 0 to 3 are PAD, START, END and UNK.

    Raises:
        CheckpointError: if the bytes are no such model.
    """

    def __init__(self, model: bytes) -> None:
        super().__init__(model)
        self._drawn: dict[tuple[str, float], Any] = {}
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            check_model(self.model_bytes)
            self._processor.LoadFromSerializedProto(self.model_bytes)
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"The {len(self.model_bytes)} bytes are no SentencePiece model: {error}. "
                "Download the file again, or train one with `SentencePieceTokenizer.train`."
            ) from error
        found = tuple(
            getattr(self._processor, f"{name}_id")() for name in ("pad", "bos", "eos", "unk")
        )
        if found != (PAD, START, END, UNK):
            raise CheckpointError(
                f"SentencePieceTokenizer expected the ids pad, bos, eos, unk = {PAD}, {START}, "
                f"{END}, {UNK}. Received: {found}. Train the model with "
                "`SentencePieceTokenizer.train`, or spm_train with "
                f"--pad_id={PAD} --bos_id={START} --eos_id={END} --unk_id={UNK}."
            )

    @classmethod
    def train(
        cls,
        sentences: Iterable[str],
        vocabulary_size: int,
        character_coverage: float = 1.0,
        model_type: Literal["unigram", "bpe", "word"] = "unigram",
        normalization: str = "nmt_nfkc",
        sample_size: int = 1_000_000,
        seed: int = 0,
        symbols: Iterable[str] = (),
        split_digits: bool = False,
        byte_fallback: bool = False,
    ) -> Self:
        """Learns a model from text; the same arguments give the same bytes.

        Args:
            sentences: iterable of str.
            vocabulary_size: int, the four special ids counted.
            character_coverage: float, the share of characters that get an id of their own; below
                1 for scripts of many characters (0.9995 is usual for Chinese and Japanese).
            model_type: "unigram", "bpe" or "word".
            normalization: a rule of SentencePiece, such as "nmt_nfkc", which makes one of the
                many ways to write a character, or "identity", with a model file smaller by 0.24 MB.
            sample_size: int, learn from at most this many sentences, drawn at random.
            seed: int, of the draw.
            symbols: strings that are a unit wherever they stand, such as "<nl>".
            split_digits: bool, each digit is a unit, so that numbers are copied, not guessed.
            byte_fallback: bool, characters without a unit are written in units of their UTF-8
                bytes, 256 of the vocabulary, so that none is unknown.

        Raises:
            DataError: if there are no sentences or too few for the vocabulary.
        """
        sample = _sample(sentences, sample_size, seed)
        if not sample:
            raise DataError(
                "A vocabulary cannot be learned from no sentences. Check the training file."
            )
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=iter(sample),
                model_writer=model,
                vocab_size=vocabulary_size,
                character_coverage=character_coverage,
                model_type=model_type,
                user_defined_symbols=list(symbols),
                normalization_rule_name=normalization,
                split_digits=split_digits,
                byte_fallback=byte_fallback,
                pad_id=PAD,
                bos_id=START,
                eos_id=END,
                unk_id=UNK,
                minloglevel=2,
            )
        except (RuntimeError, OSError) as error:
            raise DataError(
                f"SentencePiece could not learn {vocabulary_size} units from {len(sample)} "
                f"sentences. {str(error).rsplit('] ', 1)[-1]}"
            ) from error
        return cls(model.getvalue())

    @property
    def vocabulary_size(self) -> int:
        return self._processor.get_piece_size()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the list of ids of each text, without START or END."""
        # Lone surrogates, as in arguments of a shell that are no UTF-8, become question marks.
        encodable = [text.encode("utf-8", "replace") for text in texts]
        if len(texts) < WORTH_THREADS:
            return [self._processor.encode(text) for text in encodable]
        return self._processor.encode(encodable)

    def sample(
        self, texts: Iterable[str], alpha: float, seed: int | Sequence[int]
    ) -> list[list[int]]:
        """Draws a segmentation of each text (Kudo 2018, 1804.10959, section 3.2).

        No unit reaches across a space, so each word is drawn on its own, from its `ALTERNATIVES`
        likeliest segmentations, with probabilities P(x)^alpha, normalised.

        Args:
            texts: list of str.
            alpha: float > 0: the smaller, the more and the shorter the units.
            seed: int, or sequence of int; the same arguments give the same ids on every machine.

        Returns:
            list of ids of each text, without START or END.

        Raises:
            ValueError: for a model that gives no probabilities, such as BPE.
        """
        generator = np.random.default_rng(seed)
        rows = []
        for text in texts:
            text = text.encode("utf-8", "replace").decode("utf-8")
            words = [word for word in self._processor.normalize(text).split(SPACE) if word]
            row = []
            for word, draw in zip(words, generator.random(len(words)), strict=True):
                segmentations, limits = self._segmentations(word, alpha)
                row += segmentations[bisect.bisect(limits, draw)]
            rows.append(row)
        return rows

    def _segmentations(self, word, alpha):
        """The segmentations of a word, and where in [0, 1) the share of each but the last ends."""
        if (known := self._drawn.get((word, alpha))) is not None:
            return known
        try:
            found = self._processor.nbest_encode_as_ids(word, ALTERNATIVES)
        except RuntimeError as error:
            raise ValueError(
                "Sampling needs the probabilities of a unigram model. "
                f"{str(error).rsplit('] ', 1)[-1]} Train the model with model_type='unigram'."
            ) from error
        scores = [sum(map(self._processor.get_score, ids)) for ids in found]
        shares = np.exp(alpha * (np.array(scores) - max(scores)))
        kept = shares >= RAREST * shares.sum()
        limits = np.cumsum(shares[kept] / shares[kept].sum())[:-1].tolist()
        found = [ids for ids, keep in zip(found, kept, strict=True) if keep]
        self._drawn[word, alpha] = found, limits
        return found, limits

    def decode(self, rows: Iterable[Iterable[int]]) -> list[str]:
        """Returns the text of each row of ids."""
        ids = [[int(token) for token in row] for row in rows]
        if len(ids) < WORTH_THREADS:
            return [self._processor.decode(row) for row in ids]
        return self._processor.decode(ids)

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Returns the unit behind each id, a word boundary shown as ▁."""
        return [self._processor.id_to_piece(int(token)) for token in ids]

    @property
    def has_unknown(self) -> bool:
        """Whether there are characters it has no units for; a model with byte fallback has all."""
        return not any(map(self._processor.is_byte, range(self.vocabulary_size)))

    def units(self, text: str) -> list[str]:
        """Returns the units of a text as it has them, also those without an id of their own."""
        return self._processor.encode(text.encode("utf-8", "replace"), out_type=str)

    def assemble(self, units: Iterable[str]) -> str:
        """Returns the text of units, of which some may have no id."""
        return self._processor.decode_pieces(list(units))

    def as_tensorflow(self) -> Any:
        """Returns the `tensorflow_text.SentencepieceTokenizer` of the same model.

        Raises:
            ImportError: where there is no tensorflow-text, as on Windows.
        """
        import s2s_zoo.protocol.onednn  # noqa: F401  # isort: skip
        import tensorflow as tf

        try:
            import tensorflow_text
        except ImportError as error:
            raise ImportError(
                "Tokenizing inside a TensorFlow graph needs tensorflow-text, which exists for "
                "Linux and macOS arm64: `pip install tensorflow-text`. Lists and files of pairs "
                "need none of it."
            ) from error

        return tensorflow_text.SentencepieceTokenizer(self.model_bytes, out_type=tf.int32)


def _sample(items, size, seed):
    """Draws at most `size` items, each equally likely (Vitter 1985, algorithm R)."""
    generator = random.Random(seed)
    sample = []
    for count, item in enumerate(items):
        if count < size:
            sample.append(item)
        elif (place := generator.randint(0, count)) < size:
            sample[place] = item
    return sample
