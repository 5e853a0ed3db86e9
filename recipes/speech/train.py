"""Train or fine-tune a speech recognizer. Read top to bottom; the README has the commands.

python recipes/speech/train.py --data digits --output run
python recipes/speech/train.py --data digits --from whisper-base --freeze-encoder --output run
"""

import s2s_zoo.model  # isort: skip  # first: TensorFlow is told of oneDNN before it is loaded

import argparse
import sys
from pathlib import Path

from s2s_zoo.distribution import data_parallel
from s2s_zoo.errors import DataError

import s2s_zoo
from s2s_zoo.data import AudioProcessor, SentencePieceTokenizer, read_pairs
from s2s_zoo.protocol.tasks import TRANSCRIPTION

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

import sources  # noqa: E402
import training as shared  # noqa: E402

# For a Whisper that is fine-tuned, where no flag says otherwise: it knows most of it.
FINE_TUNING = {
    **{"epochs": 3, "batch_tokens": 128, "learning_rate": 1e-4, "warmup_steps": 50},
    "ema": 0.95,  # of the last twenty steps: there may be no more than some hundred
    "valid_size": 100,  # each is a window of 30 seconds, however short the recording is
}
OF_LORA = {"learning_rate": 1e-3}  # its matrices begin at nothing


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    shared.add_arguments(parser, HERE / "config.json")
    add(
        "--data",
        type=Path,
        required=True,
        help="folder with train and valid .tsv, file TAB text, and the files",
    )
    add("--attention", metavar="NAME", help="in place of location_sensitive, such as bahdanau")
    add("--seconds", type=float, default=30.0, help="longer recordings are left out; default: 30")
    add("--language", default="en", metavar="LANG", help="what is spoken; default: en")
    add("--lora", type=int, metavar="RANK", help="with --from: train matrices of this rank alone")
    add("--freeze-encoder", action="store_true", help="with --from: train the decoder alone")
    args = parser.parse_args(argv)
    if (args.lora or args.freeze_encoder) and not args.checkpoint:
        parser.error("--lora and --freeze-encoder adapt a checkpoint: name it with --from")
    if args.lora and args.freeze_encoder:
        parser.error("give either --lora or --freeze-encoder: matrices are trained in both parts")
    if args.attention and args.checkpoint:
        parser.error("--attention is for a new model: leave --from")
    config = shared.read_config(args)
    if args.attention:
        config["model"]["decoder"]["attention"]["name"] = args.attention
    if args.checkpoint:
        settings = FINE_TUNING | (OF_LORA if args.lora else {})
        given = {name for name in settings if getattr(args, name, None) is not None}
        config["training"] |= {k: v for k, v in settings.items() if k not in given}
    return args, config


def load(folder, split):
    """The pairs (file, text) of a split."""
    table = sources.table_of(folder, split)
    if not table.exists():
        raise DataError(f"{table} is missing. Name the folder of the data with --data.")
    return [(str(folder / name), text) for name, text in read_pairs(table)]


def new_pipeline(args, config, pairs):
    """A vocabulary learnt from the texts, and a model that knows nothing yet."""
    texts = (text for _, text in pairs)
    tokenizer = shared.vocabulary(args, SentencePieceTokenizer, texts, config["tokenizer"])
    config["model"]["decoder"]["vocabulary_size"] = tokenizer.vocabulary_size
    return s2s_zoo.Pipeline(
        task=TRANSCRIPTION.name,
        model=s2s_zoo.Seq2Seq.from_config(config["model"]),
        processor=AudioProcessor(tokenizer, **config["processor"]),
        generation=config["generation"],
        languages=[args.language],
    )


def loaded(args):
    """A checkpoint, of which what the flags say is trained, and how it is told the language."""
    pipeline = s2s_zoo.from_pretrained(args.checkpoint)
    if pipeline.task != TRANSCRIPTION.name:
        raise DataError(
            f"--from expected a model of {TRANSCRIPTION.name}. Received: {args.checkpoint}, of "
            f"{pipeline.task}."
        )
    if args.lora:
        s2s_zoo.enable_lora(pipeline.model, args.lora)
    if args.freeze_encoder:
        pipeline.model.encoder.trainable = False
    if pipeline.transcriber is None:
        return pipeline, {}
    telling = {"temperature": 0.0}  # no second try where a text is poor: it is to be seen
    if pipeline.processor.multilingual:
        pipeline.processor.language_id(args.language)  # or it says which there are
        pipeline.processor.written = (args.language, "transcribe")
        telling["language"] = args.language
    return pipeline, telling


def main(argv=None):
    args, config = parse(argv)
    with data_parallel(args.devices):
        train(args, config)


def train(args, config):
    shared.prepare(args, config["training"])
    pairs, valid = load(args.data, "train"), load(args.data, "valid")
    if args.checkpoint:
        pipeline, telling = loaded(args)
    else:
        pipeline, telling = new_pipeline(args, config, pairs), {}
    shared.train(
        *(args, config["training"], pipeline, pairs, valid, TRANSCRIPTION.metrics),
        searching=telling,
        seconds=args.seconds,
    )


if __name__ == "__main__":
    shared.run(main)
