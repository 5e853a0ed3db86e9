"""Train or fine-tune a captioning model. Read top to bottom; the README has the commands.

python recipes/captioning/train.py --data flickr8k --encoder-weights imagenet --output run
"""

import argparse
import importlib.util
import json
import sys
import time
from pathlib import Path

import keras

import s2s_zoo
from s2s_zoo.callbacks import GenerationMetrics, TrainingState
from s2s_zoo.caption_metrics import caption_words
from s2s_zoo.data import FeatureCache, ImageProcessor, SentencePieceTokenizer, read_pairs
from s2s_zoo.errors import DataError, S2SZooError
from s2s_zoo.losses import SmoothedCrossEntropy

HERE = Path(__file__).parent


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--config", type=Path, default=HERE / "config.json")
    add(
        "--data",
        type=Path,
        required=True,
        help="folder with images/, captions.tsv (file TAB caption), train.txt and dev.txt",
    )
    add("--encoder-weights", metavar="FILE", help="imagenet (downloaded), or a .weights.h5 file")
    add("--from", dest="checkpoint", metavar="CHECKPOINT", help="fine-tune this one")
    add("--phases", nargs="+", choices=PHASES, default=["frozen", "tuned"])
    add("--output", type=Path, required=True, help="folder for the run; best/ is the checkpoint")
    add("--resume", action="store_true", help="go on where the run in --output was cut off")
    add("--tensorboard", action="store_true", help="write logs/ (pip install 's2s-zoo[train]')")
    add("--precision", choices=("float32", "mixed_float16", "mixed_bfloat16"))
    add("--jit", action="store_true", help="compile with XLA (on a GPU; a JAX model always is)")
    add("--epochs", type=int, help="of the first phase")
    add("--batch-tokens", type=int)
    add("--learning-rate", type=float, help="of the first phase")
    add("--dropout", type=float)
    add("--seed", type=int)
    args = parser.parse_args(argv)
    if (args.encoder_weights is None) == (args.checkpoint is None):
        parser.error("give either --encoder-weights for a new model, or --from")
    config = json.loads(args.config.read_text(encoding="utf-8"))
    for name in ("precision", "batch_tokens", "seed"):
        if getattr(args, name) is not None:
            config["training"][name] = getattr(args, name)
    for name in ("epochs", "learning_rate"):
        if getattr(args, name) is not None:
            config["phases"]["frozen"][name] = getattr(args, name)
    if args.dropout is not None:
        config["model"]["encoder"]["dropout"] = args.dropout
        config["model"]["decoder"]["dropout"] = args.dropout
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


def new_pipeline(args, config, pairs):
    """A vocabulary learnt from the captions, and a model that knows images but no words."""
    path = args.output / "tokenizer.model"
    if not (args.resume and path.exists()):
        captions = (text for _, text in pairs)
        SentencePieceTokenizer.train(captions, **config["tokenizer"]).save(path)
    tokenizer = SentencePieceTokenizer.load(path)
    model = config["model"]
    model["decoder"]["vocabulary_size"] = tokenizer.vocabulary_size
    model = s2s_zoo.Seq2Seq.from_config(model)
    model.encoder.load_backbone(args.encoder_weights)
    return s2s_zoo.Pipeline(
        task="captioning",
        model=model,
        processor=ImageProcessor(tokenizer, **config["processor"]),
        generation=config["generation"],
        languages=["en"],
    )


class Adam(keras.optimizers.Adam):
    """Adam with warm-up, cosine decay, clipping, averages, and a slower rate for some variables.

    Args:
        settings: dict, of the configuration.
        steps: int.
        slow: list of variables, which learn at `encoder_learning_rate`.
    """

    def __init__(self, settings, steps, slow):
        schedule = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            warmup_target=settings["learning_rate"],
            warmup_steps=settings["warmup_steps"],
            decay_steps=max(1, steps - settings["warmup_steps"]),
            alpha=0.02,
        )
        super().__init__(
            schedule,
            beta_2=0.98,
            global_clipnorm=settings["clipnorm"],
            use_ema=True,
            ema_momentum=settings["ema"],
        )
        rate = settings.get("encoder_learning_rate", settings["learning_rate"])
        self.slow = {variable.path for variable in slow}
        self.factor = rate / settings["learning_rate"]

    def build(self, variables):
        super().build(variables)
        # A backend hands its own variables to `update_step`, which know no path.
        slow = [variable for variable in variables if variable.path in self.slow]
        self.slow_places = set(map(self._get_variable_index, slow))

    def update_step(self, gradient, variable, learning_rate):
        slow = self._get_variable_index(variable) in self.slow_places
        super().update_step(gradient, variable, learning_rate * (self.factor if slow else 1))


def phase(name, args, config, pipeline, pairs, valid):
    """Trains one phase, or goes on with it; run/best is the best checkpoint of all so far."""
    settings = {**config["training"], **config["phases"][name]}
    model, encoder = pipeline.model, pipeline.model.encoder
    encoder.freeze(settings["train_from"])
    metrics = GenerationMetrics(
        pipeline,
        valid,
        metrics=("bleu_4", "bleu_1"),
        directory=args.output / name,
        patience=settings["patience"],
    )
    state = TrainingState(args.output / f"{name}.safetensors", {"metrics": metrics})
    images = FeatureCache(pipeline, [source for source, _ in pairs], args.output / "features")
    options = {name: settings[name] for name in ("batch_tokens", "max_shapes", "seed")}
    steps = len(pipeline.batches(pairs, images=images, **options)) * settings["epochs"]
    model.compile(
        optimizer=Adam(settings, steps, encoder.backbone.trainable_variables),
        loss=SmoothedCrossEntropy(settings["label_smoothing"]),
        jit_compile=args.jit or keras.backend.backend() == "jax",
    )
    done = state.restore(model)
    batches = pipeline.batches(pairs, images=images, start_epoch=done, **options)
    print(
        f"{name}: {len(images.sources):,} images, {len(pairs):,} captions, {len(valid):,} images "
        f"held out, {model.count_params():,} parameters, {steps:,} steps, "
        f"{settings['precision']} on {keras.backend.backend()}, epoch {done} done",
        file=sys.stderr,
    )
    start = time.perf_counter()
    if not (done and state.finished):
        model.fit(
            batches,
            initial_epoch=done,
            epochs=settings["epochs"],
            verbose=1 if sys.stderr.isatty() else 2,
            callbacks=[metrics, *extra_callbacks(args), state],
        )
    minutes = (time.perf_counter() - start) / 60
    report(name, metrics, minutes, len(images.sources), args.output)
    return s2s_zoo.from_pretrained(args.output / name)


PHASES = ("frozen", "tuned")


def main(argv=None):
    args, config = parse(argv)
    training = config["training"]
    keras.utils.set_random_seed(training["seed"])
    keras.config.set_dtype_policy(training["precision"])
    args.output.mkdir(parents=True, exist_ok=True)
    if any(args.output.glob("*.safetensors")) and not args.resume:
        raise DataError(f"{args.output} holds a training. Go on with --resume, or name another.")

    pairs, valid = load(args.data)
    valid = valid[:: max(1, len(valid) // training["valid_size"])]
    if args.checkpoint:
        pipeline = s2s_zoo.from_pretrained(args.checkpoint)
    else:
        pipeline = new_pipeline(args, config, pairs)
    for name in args.phases:
        pipeline = phase(name, args, config, pipeline, pairs, valid)
    pipeline.save(args.output / "best")
    print(f"\nUse it:      s2s-zoo caption --model {args.output / 'best'} photo.jpg")


def extra_callbacks(args):
    """TensorBoard, where it is asked for."""
    if not args.tensorboard:
        return []
    if importlib.util.find_spec("tensorboard") is None:
        raise DataError("--tensorboard needs the package: pip install 's2s-zoo[train]'")
    return [keras.callbacks.TensorBoard(args.output / "logs")]


def report(name, metrics, minutes, images, output):
    """The summary a person wants to see at the end of a phase."""
    best = metrics.best
    print(
        f"\n{name}: {minutes:.1f} minutes. Best of {len(metrics.history)} epochs: {best['epoch']}"
    )
    for metric in metrics.metrics:
        print(f"  {metric} {best[metric]:.2f}  {metrics.signatures[metric]}  (greedy)")
    print(f"  perplexity {best['perplexity']:.2f} a token")
    for source, text, target in metrics.samples:
        print(f"\n  {source}\n  -> {text}\n   = {target}")


if __name__ == "__main__":
    try:
        main()
    except S2SZooError as error:
        sys.exit(f"train.py: error: {error}")
