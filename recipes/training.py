"""What the recipes share: the common flags, the optimizer, the run and its summary."""

import contextlib
import importlib.util
import json
import shlex
import sys
from pathlib import Path

import keras
from s2s_zoo.callbacks import GenerationMetrics, TrainingState
from s2s_zoo.losses import SmoothedCrossEntropy
from s2s_zoo.optimizers import Adam

import s2s_zoo
from s2s_zoo import DataError, S2SZooError, distribution
from s2s_zoo.data.buckets import COMPILED
from s2s_zoo.protocol.console import write_utf8
from s2s_zoo.protocol.tasks import TASKS
from s2s_zoo.training.progress import EpochLine, TensorBoardSamples, aligned
from s2s_zoo.training.report import page

OF_BATCHES = (
    *("batch_tokens", "sampling", "seed", "too_long", "max_shapes"),
    *("word_dropout", "scheduled_sampling", "parts"),
)


LONGEST_MAP = 60  # source tokens of a heat map in a page
PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
OF_TRAINING = (
    *("precision", "epochs", "batch_tokens", "max_shapes", "accumulate", "loss_parts"),
    *("learning_rate", "sampling", "seed", "parts"),
)


def add_arguments(parser, config):
    """The flags that every recipe has; `config` is the path of its own configuration."""
    add = parser.add_argument
    add("--config", type=Path, default=config)
    add("--from", dest="checkpoint", metavar="CHECKPOINT", help="fine-tune this one")
    add("--output", type=Path, required=True, help="folder for the run; best/ is the checkpoint")
    add("--resume", action="store_true", help="go on where the run in --output was cut off")
    add("--tensorboard", action="store_true", help="write logs/ (pip install 's2s-zoo[train]')")
    add("--precision", choices=PRECISIONS, help="auto: the fastest of this device")
    add(
        "--execution",
        choices=("auto", "plain", "xla"),
        default="auto",
        help="plain: operations of Keras alone; xla: the step compiled, as with JAX it always is",
    )
    add("--epochs", type=int)
    add("--parts", type=int, metavar="K", help="an epoch is a Kth of the pairs: kept more often")
    add("--batch-tokens", type=int)
    add("--max-shapes", type=int, metavar="N", help="of batches; where XLA compiles them 3 or less")
    add("--accumulate", type=int, metavar="K", help="a step for every K batches: a larger batch")
    add("--loss-parts", type=int, metavar="K", help="logits for a Kth of a batch at a time")
    add("--learning-rate", type=float)
    add("--dropout", type=float)
    add("--sampling", type=float, metavar="ALPHA", help="subword regularization, such as 0.3")
    add("--seed", type=int)
    add(
        "--devices",
        type=int,
        metavar="N",
        help="train on N devices; docs/guides/devices.md has processes",
    )


def read_config(args, preset=None):
    """The configuration, with what a preset and the flags say in place of what it says."""
    config = json.loads(args.config.read_text(encoding="utf-8"))
    if preset:
        config["model"] = preset["model"]
        config["training"].update(preset["training"])
    for name in OF_TRAINING:
        if getattr(args, name) is not None:
            config["training"][name] = getattr(args, name)
    batches = config["training"].get("accumulate", 1)
    if batches < 1:
        raise DataError(f"--accumulate counts batches, from 1. Received: {batches}.")
    parts = config["training"].get("loss_parts", 1)
    pointer = config["model"]["decoder"].get("pointer", False)
    if parts < 1 or (parts > 1 and pointer):
        raise DataError(
            "--loss-parts expected a number of parts, from 1, and a decoder without a pointer. "
            f"Received: {parts}, pointer={json.dumps(pointer)}. Leave it out."
        )
    if args.dropout is not None:
        config["model"]["encoder"]["dropout"] = args.dropout
        config["model"]["decoder"]["dropout"] = args.dropout
    return config


def compiled(args):
    """Whether XLA compiles a training step for every shape of batch."""
    return args.execution == "xla" or keras.backend.backend() == "jax"


def prepare(args, training):
    """Seeds, precision and the folder of the run, before anything is made.

    Raises:
        DataError: if the folder holds a training that was not to be resumed.
    """
    s2s_zoo.keep_compiled()
    keras.utils.set_random_seed(training["seed"])
    if compiled(args) and args.max_shapes is None:
        training["max_shapes"] = min(training.get("max_shapes", COMPILED), COMPILED)
    if training["precision"] == "auto":
        training["precision"] = s2s_zoo.fastest_precision()
    keras.config.set_dtype_policy(training["precision"])
    args.output.mkdir(parents=True, exist_ok=True)
    if state_path(args).exists() and not args.resume:
        raise DataError(f"{args.output} holds a training. Go on with --resume, or name another.")


def vocabulary(args, tokenizer, texts, options, path=None):
    """The tokenizer of a run: learnt from the texts or, where the run goes on, read.

    Args:
        args: what was parsed.
        tokenizer: its class.
        texts: iterable of str.
        options: dict, of its training.
        path: its file; in the folder of the run where None.
    """
    path = path or args.output / "tokenizer.model"

    def learn():
        if not (args.resume and path.exists()):
            tokenizer.train(texts, **options).save(path)

    distribution.first_alone(learn)
    return tokenizer.load(path)


def state_path(args):
    return args.output / "state.safetensors"


def optimizer(training, steps, kind=Adam):
    """Adam with warm-up, cosine decay, clipping and a moving average of the weights.

    Where gradients are accumulated Keras counts batches, not steps, for schedule and average.
    """
    batches = training.get("accumulate", 1)
    warmup = training["warmup_steps"] * batches
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=training["learning_rate"],
        warmup_steps=warmup,
        decay_steps=max(1, steps - warmup),
        alpha=0.02,
    )
    return kind(
        schedule,
        beta_2=0.98,
        global_clipnorm=training["clipnorm"],
        use_ema=True,
        ema_momentum=training["ema"] ** (1 / batches),
        gradient_accumulation_steps=batches if batches > 1 else None,
    )


def choosing(training, valid):
    """The held-out pairs that choose the best epoch, evenly spread over all of them."""
    return valid[:: max(1, len(valid) // training["valid_size"])]


def callbacks(args, training, pipeline, valid, metrics, searching=None):
    """What scores and keeps the epochs, and what resumes them."""
    valid = choosing(training, valid)
    kept = {"directory": args.output / "best", "patience": training["patience"]}
    generation = GenerationMetrics(pipeline, valid, metrics, **kept, **(searching or {}))
    return generation, TrainingState(state_path(args), {"metrics": generation})


def ready(args, training, pipeline, pairs, optimizer=optimizer, **options):
    """Compiles the model of a run. Returns the options of its batches, and its number of steps."""
    options |= {name: training[name] for name in OF_BATCHES if name in training}
    options["parallel"] = distribution.current()
    steps = len(pipeline.batches(pairs, **options)) * training["epochs"]
    pipeline.model.compile(
        optimizer=optimizer(training, steps),
        loss=SmoothedCrossEntropy(training["label_smoothing"]),
        loss_parts=training.get("loss_parts", 1),
        jit_compile=compiled(args),
    )
    return options, steps


def train(
    args, training, pipeline, pairs, valid, metrics, optimizer=optimizer, searching=None, **options
):
    """Trains to the end, keeps the best checkpoint by the first of the metrics, and reports.

    Args:
        args: what was parsed.
        training: dict, of the configuration.
        pipeline: the Pipeline.
        pairs: list of (source, target).
        valid: list of (source, target), held out.
        metrics: names of metrics.
        optimizer: function of `training` and the number of steps.
        searching: dict, options of the calls that write what is scored.
        **options: further ones of the batches.
    """
    model = pipeline.model
    generation, state = callbacks(args, training, pipeline, valid, metrics, searching)
    options, steps = ready(args, training, pipeline, pairs, optimizer, **options)
    line = EpochLine(metrics=generation)
    state.callbacks["progress"] = line
    done = state.restore(model)
    distribution.check_alike(data=pairs, settings=training, progress=done)
    batches = pipeline.batches(pairs, start_epoch=done, **options)
    line.tokens = getattr(batches, "tokens", 0)
    print(
        f"{len(pairs):,} pairs, {len(generation.sources):,} held out, "
        f"{model.count_params():,} parameters, {steps:,} steps, {training['precision']} on "
        f"{keras.backend.backend()}, epoch {done} done",
        file=sys.stderr,
    )
    if not (done and state.finished):
        with s2s_zoo.plain_operations(args.execution == "plain"), told_where(state, training):
            model.fit(
                batches,
                initial_epoch=done,
                epochs=training["epochs"],
                verbose=0,
                callbacks=[generation, line, *extra_callbacks(args, generation), state],
            )
    report(args, generation, state)


@contextlib.contextmanager
def told_where(state, training):
    """Ctrl-C says which epochs are kept."""
    try:
        yield
    except KeyboardInterrupt:
        kept = f"epoch {state.epochs} of {training['epochs']} is the last that is kept"
        raise KeyboardInterrupt(kept if state.epochs else "no epoch was done") from None


def extra_callbacks(args, generation):
    """TensorBoard, with samples, where it is asked for, in the first process."""
    if not args.tensorboard or distribution.current().process:
        return []
    if importlib.util.find_spec("tensorboard") is None:
        raise DataError("--tensorboard needs the package: pip install 's2s-zoo[train]'")
    logs = args.output / "logs"
    return [keras.callbacks.TensorBoard(logs), TensorBoardSamples(generation, logs / "samples")]


def report(args, generation, state):
    """The summary a person wants to see at the end, as a page too, and report.json for programs."""
    if distribution.current().process:
        return
    best, minutes = generation.best, state.seconds / 60
    summary = {
        "minutes": minutes,
        "best": best,
        "epochs": generation.history,
        "progress": state.callbacks["progress"].history if "progress" in state.callbacks else [],
        "samples": generation.sampled,
        "looked": looked_at(generation),
        "signatures": generation.signatures,
        "command": shlex.join(["python", *sys.argv]),
    }
    text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
    (args.output / "report.json").write_text(text, encoding="utf-8")
    (args.output / "report.html").write_text(page(summary), encoding="utf-8")
    print(f"\n{minutes:.1f} minutes. Best of {len(generation.history)} epochs: {best['epoch']}")
    for name in generation.metrics:
        print(f"  {name} {best[name]:.2f}  {generation.signatures[name]}  (greedy)")
    print(f"  perplexity {best['perplexity']:.2f} a token")
    for source, text, target in generation.samples:
        print(f"\n  {source}\n  -> {text}\n   = {target}")
    saved = generation.directory
    task = TASKS[generation.pipeline.task]
    example = shlex.quote(task.example)
    print(f"\nLook at it:  {args.output / 'report.html'}")
    print(f"Use it:      s2s-zoo {task.command} --model {saved} {example}")
    print(f"Evaluate it: s2s-zoo evaluate --model {saved} --num-beams 5 --data FILE.tsv")


def looked_at(generation):
    """What the model looked at while it wrote the samples, for the page."""
    return [
        {
            "source": [str(token) for token in result.source_tokens],
            "target": [str(token) for token in result.target_tokens],
            "weights": [[round(float(x), 3) for x in row] for row in result.alignment],
        }
        for result in aligned(generation)
        if len(result.source_tokens) == result.alignment.shape[1] <= LONGEST_MAP
    ]


def run(main):
    """Calls `main`; an error that a user can do something about is one line."""
    write_utf8()
    try:
        main()
    except S2SZooError as error:
        distribution.leave(f"train.py: error: {error}")
    except KeyboardInterrupt as where:
        where = f": {where}" if str(where) else ""
        distribution.leave(
            f"\ntrain.py: stopped{where}. Go on with the same command and --resume.", 130
        )
