"""Text in several scripts, and SentencePiece models of it."""

import io
import itertools

import sentencepiece

SUBJECTS = (
    "a dog|the old man|two children|ein kleiner Hund|die Frau mit dem Hut|un garçon|les enfants|"
    "malý pes|一个男人|孩子们|Übergrößenträger 😀|the “quoted” one…"
).split("|")
VERBS = (
    "runs|is reading|spielt|rennt schnell|mange une pomme|čte knihu|在公园里跑步|can't wait 🎉|"
    "costs 3,50 € / 12.5%|schläft"
).split("|")
PLACES = "in the park.|am Strand!|à la maison ?|v zahradě|，在家里。|near the river...|ﬁnally  now"
PLACES = PLACES.split("|")
AS_IT_IS = {"split": False, "protect": False, "detect": False}  # what other programs make of a text
LINES = [" ".join(parts) for parts in itertools.product(SUBJECTS, VERBS, PLACES)]


def pieces_model(size, **options):
    """The bytes of a SentencePiece model of the lines, and its pieces."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(LINES),
        model_writer=model,
        vocab_size=size,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return model.getvalue(), [processor.id_to_piece(i) for i in range(processor.get_piece_size())]


def write_marian_pieces(directory, source_size, target_size):
    """Writes source.spm and target.spm, and returns the vocabulary that both share."""
    vocabulary = {"</s>": 0, "<unk>": 1}
    for side, size in (("source", source_size), ("target", target_size)):
        model, pieces = pieces_model(size)
        (directory / f"{side}.spm").write_bytes(model)
        for piece in pieces[3:]:
            vocabulary.setdefault(piece, len(vocabulary))
    return vocabulary


def write_byte_pairs(directory, special, **options):
    """Writes vocab.json and merges.txt of a byte-level BPE of the lines."""
    from tokenizers import ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer(**options)
    trained.train_from_iterator(LINES, 420, special_tokens=special, show_progress=False)
    trained.save_model(str(directory))


def write_words(directory):
    """Writes vocab.txt of a WordPiece of the lines."""
    from tokenizers import BertWordPieceTokenizer

    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(LINES, 300, show_progress=False)
    trained.save_model(str(directory))
