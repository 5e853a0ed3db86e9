"""Train or fine-tune a captioning model. Read top to bottom; the README has the commands.

python recipes/captioning/train.py --data flickr8k --encoder-weights imagenet --output run
"""

import s2s_zoo.model  # isort: skip  # first: TensorFlow is told of oneDNN before it is loaded

import argparse
import sys
from pathlib import Path

import keras
from s2s_zoo.distribution import current, data_parallel
from s2s_zoo.errors import DataError
from s2s_zoo.optimizers import Adam
from s2s_zoo.self_critical import CiderReward, PolicyGradient, self_critical_fit

from s2s_zoo.data import (
    Augmentation,
    FeatureCache,
    ImageProcessor,
    SentencePieceTokenizer,
    mirrored_caption,
    read_pairs,
)
from s2s_zoo.training.caption_metrics import caption_words

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

import training as shared  # noqa: E402

METRICS = ("bleu_4", "bleu_1")
OF_A_PHASE = ("epochs", "learning_rate")


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    shared.add_arguments(parser, HERE / "config.json")
    add(
        "--data",
        type=Path,
        required=True,
        help="folder with images/, captions.tsv (file TAB caption), train.txt and dev.txt",
    )
    add("--encoder-weights", metavar="FILE", help="imagenet (downloaded), or a .weights.h5 file")
    add("--features", type=Path, help="folder of the cache; default: features in --output")
    add(
        "--phases",
        nargs="+",
        choices=PHASES,
        default=["frozen", "tuned"],
        help="which to train, one from the best of the other; default: frozen tuned",
    )
    args = parser.parse_args(argv)
    if (args.encoder_weights is None) == (args.checkpoint is None):
        parser.error("give either --encoder-weights for a new model, or --from")
    if args.sampling:
        parser.error("--sampling draws subwords; captions are words here")
    config = shared.read_config(args)
    for settings in config["phases"].values():  # what the flags say holds for each phase
        for name in OF_A_PHASE:
            if getattr(args, name) is not None:
                settings[name] = getattr(args, name)
    return args, config


def load(folder):
    """The training pairs (file, caption) and the held-out (file, [captions])."""
    captions = {}
    for name, text in read_pairs(folder / "captions.tsv"):
        # What the scores compare is what is learned; "man 's" is one word.
        text = " ".join(caption_words(text)).replace(" '", "'")
        captions.setdefault(name, []).append(text)
    splits = []
    for split in ("train", "dev"):
        path = folder / f"{split}.txt"
        if not path.exists():
            raise DataError(f"{path} is missing. Name the folder of the data with --data.")
        names = path.read_text(encoding="utf-8").split()
        if missing := [name for name in names if name not in captions]:
            raise DataError(f"{path} names {missing[0]}, which has no line in captions.tsv.")
        splits.append([(str(folder / "images" / name), captions[name]) for name in names])
    train, valid = splits
    return [(name, text) for name, texts in train for text in texts], valid


def new_pipeline(args, config, pairs, path):
    """A vocabulary learnt from the captions, and a model that knows images but no words."""
    captions = (text for _, text in pairs)
    tokenizer = shared.vocabulary(args, SentencePieceTokenizer, captions, config["tokenizer"], path)
    config["model"]["decoder"]["vocabulary_size"] = tokenizer.vocabulary_size
    model = s2s_zoo.Seq2Seq.from_config(config["model"])
    model.encoder.load_backbone(args.encoder_weights)
    return s2s_zoo.Pipeline(
        task="captioning",
        model=model,
        processor=ImageProcessor(tokenizer, **config["processor"]),
        generation=config["generation"],
        languages=["en"],
    )


class TwoRates(Adam):
    """Adam that moves some variables more slowly than the others.

    Args:
        *args, **options: of Adam.

    Attributes:
        slow: set of the paths of these variables.
        factor: float, of their learning rate.
    """

    slow, factor = frozenset(), 1.0

    def build(self, variables):
        super().build(variables)
        # A backend hands its own variables to `update_step`, which know no path.
        slow = [variable for variable in variables if variable.path in self.slow]
        self.slow_places = set(map(self._get_variable_index, slow))

    def update_step(self, gradient, variable, learning_rate):
        slow = self._get_variable_index(variable) in self.slow_places
        super().update_step(gradient, variable, learning_rate * (self.factor if slow else 1))


def optimizer_for(encoder):
    """The optimizer of the recipes, with a rate of its own for the network of an encoder."""

    def make(settings, steps):
        optimizer = shared.optimizer(settings, steps, TwoRates)
        rate = settings.get("encoder_learning_rate", settings["learning_rate"])
        optimizer.factor = rate / settings["learning_rate"]
        optimizer.slow = {weight.path for weight in encoder.backbone.trainable_variables}
        return optimizer

    return make


def cross_entropy(args, settings, pipeline, pairs, valid, images):
    """Learns to say what people said."""
    make = optimizer_for(pipeline.model.encoder)
    augment = Augmentation(**settings["augment"]) if "augment" in settings else None
    options = {"images": images, "augment": augment}
    shared.train(args, settings, pipeline, pairs, valid, METRICS, make, **options)


def self_critical(args, settings, pipeline, pairs, valid, images):
    """Learns what scores well: CIDEr of captions it draws, each against the others."""
    if current().devices > 1:
        raise DataError("The phase scst trains on one device: leave --devices out for it.")
    generation, state = shared.callbacks(args, settings, pipeline, valid, METRICS)
    captions = {}
    for name, text in pairs:
        captions.setdefault(name, []).append(text)
    steps = len(captions) // settings["batch_size"] * settings["epochs"]
    optimizer = optimizer_for(pipeline.model.encoder)(settings, steps)
    pipeline.model.compile(optimizer, PolicyGradient())
    done = state.restore(pipeline.model)
    if not (done and state.finished):
        self_critical_fit(
            pipeline,
            list(captions),
            images,
            CiderReward(captions),
            settings["epochs"],
            settings["batch_size"],
            settings["draws"],
            initial_epoch=done,
            seed=settings["seed"],
            mirrored=mirrored_caption,
            callbacks=[
                generation,
                keras.callbacks.LambdaCallback(on_epoch_end=tell),
                *shared.extra_callbacks(args, generation),
                state,
            ],
        )
    shared.report(args, generation, state)


def tell(epoch, logs):
    """Prints what `fit` prints for the other phases."""
    scores = " - ".join(f"{name}: {value:.4f}" for name, value in logs.items())
    print(f"epoch {epoch + 1} - {scores}", file=sys.stderr)


PHASES = {"frozen": cross_entropy, "tuned": cross_entropy, "scst": self_critical}


def main(argv=None):
    args, config = parse(argv)
    with data_parallel(args.devices):
        train(args, config)


def train(args, config):
    output = args.output
    output.mkdir(parents=True, exist_ok=True)
    pairs, valid = load(args.data)
    pipeline = s2s_zoo.from_pretrained(args.checkpoint) if args.checkpoint else None
    for name in args.phases:
        settings = {**config["training"], **config["phases"][name]}
        args.output = output / name
        shared.prepare(args, settings)
        if pipeline is None:
            pipeline = new_pipeline(args, config, pairs, output / "tokenizer.model")
        pipeline.model.encoder.freeze(settings["train_from"])
        images = None
        if "augment" not in settings:
            features = args.features or output / "features"
            images = FeatureCache(pipeline, [source for source, _ in pairs], features)
        print(f"{name}:", file=sys.stderr)
        PHASES[name](args, settings, pipeline, pairs, valid, images)
        pipeline = s2s_zoo.from_pretrained(args.output / "best")
    pipeline.save(output / "best")


if __name__ == "__main__":
    shared.run(main)
