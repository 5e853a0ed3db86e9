"""Train or fine-tune a translation model. Read top to bottom; the README has the commands.

python recipes/translation/train.py --data multi30k --source en --target de --output run
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
from s2s_zoo.data import SentencePieceTokenizer, TextProcessor, read_pairs
from s2s_zoo.errors import DataError, S2SZooError
from s2s_zoo.losses import SmoothedCrossEntropy
from s2s_zoo.presets import PRESETS

HERE = Path(__file__).parent


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--config", type=Path, default=HERE / "config.json")
    add(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        help="folders with train.LANG and val.LANG, or train.tsv and valid.tsv",
    )
    add("--source", required=True, metavar="LANG")
    add("--target", required=True, metavar="LANG")
    add("--columns", nargs=2, metavar="LANG", help="of the TSV files; default: source target")
    add("--preset", choices=PRESETS, help="a published architecture in place of the config's")
    add("--from", dest="checkpoint", metavar="CHECKPOINT", help="fine-tune this one")
    add("--lora", type=int, metavar="RANK", help="with --from: train matrices of this rank alone")
    add("--output", type=Path, required=True, help="folder for the run; best/ is the checkpoint")
    add("--resume", action="store_true", help="go on where the run in --output was cut off")
    add("--tensorboard", action="store_true", help="write logs/ (pip install 's2s-zoo[train]')")
    add("--precision", choices=("float32", "mixed_float16", "mixed_bfloat16"))
    add("--jit", action="store_true", help="compile with XLA (on a GPU; a JAX model always is)")
    add("--epochs", type=int)
    add("--batch-tokens", type=int)
    add("--learning-rate", type=float)
    add("--dropout", type=float)
    add("--sampling", type=float, metavar="ALPHA", help="subword regularization, such as 0.3")
    add("--seed", type=int)
    args = parser.parse_args(argv)
    if args.lora and not args.checkpoint:
        parser.error("--lora adapts a checkpoint: name it with --from")
    if args.preset and args.checkpoint:
        parser.error("--preset is for a new model: leave --from")
    config = json.loads(args.config.read_text(encoding="utf-8"))
    if args.preset:
        chosen = s2s_zoo.preset(args.preset)
        config["model"] = chosen["model"]
        config["training"].update(chosen["training"])
    for name in ("precision", "epochs", "batch_tokens", "learning_rate", "sampling", "seed"):
        if getattr(args, name) is not None:
            config["training"][name] = getattr(args, name)
    if args.dropout is not None:
        config["model"]["encoder"]["dropout"] = args.dropout
        config["model"]["decoder"]["dropout"] = args.dropout
    return args, config


def load(args, splits):
    """The pairs of every --data folder for the first of the splits that it has."""
    pairs = []
    for folder in args.data:
        for split in splits:
            parallel = folder / f"{split}.{args.source}", folder / f"{split}.{args.target}"
            table = folder / f"{split}.tsv"
            if parallel[0].exists():
                pairs += read_pairs(parallel)
                break
            if table.exists():
                columns = args.columns or [args.source, args.target]
                if sorted(columns) != sorted([args.source, args.target]):
                    raise DataError(
                        f"--columns names the languages of {table}. Received: {columns}; "
                        f"expected {args.source} and {args.target} in some order."
                    )
                pairs += read_pairs(table, swap=columns[0] == args.target)
                break
        else:
            raise DataError(
                f"{folder} has neither {splits[0]}.{args.source} and {splits[0]}.{args.target} "
                f"nor {splits[-1]}.tsv. Name the folder of the data with --data."
            )
    return pairs


def new_pipeline(args, config, pairs):
    """A vocabulary learnt from the training pairs, and a model that knows nothing yet."""
    path = args.output / "tokenizer.model"
    if not (args.resume and path.exists()):
        sentences = (text for pair in pairs for text in pair)
        SentencePieceTokenizer.train(sentences, **config["tokenizer"]).save(path)
    tokenizer = SentencePieceTokenizer.load(path)
    model = config["model"]
    for part in ("encoder", "decoder"):
        model[part]["vocabulary_size"] = tokenizer.vocabulary_size
    return s2s_zoo.Pipeline(
        task="translation",
        model=s2s_zoo.Seq2Seq.from_config(model),
        processor=TextProcessor(tokenizer, tokenizer, **config["processor"]),
        generation=config["generation"],
        languages=[args.source, args.target],
    )


def optimizer(training, steps):
    """Adam with warm-up, cosine decay, clipping and a moving average of the weights."""
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=training["learning_rate"],
        warmup_steps=training["warmup_steps"],
        decay_steps=max(1, steps - training["warmup_steps"]),
        alpha=0.02,
    )
    return keras.optimizers.Adam(
        schedule,
        beta_2=0.98,
        global_clipnorm=training["clipnorm"],
        use_ema=True,
        ema_momentum=training["ema"],
    )


def main(argv=None):
    args, config = parse(argv)
    training = config["training"]
    keras.utils.set_random_seed(training["seed"])
    keras.config.set_dtype_policy(training["precision"])
    args.output.mkdir(parents=True, exist_ok=True)
    state_path = args.output / "state.safetensors"
    if state_path.exists() and not args.resume:
        raise DataError(f"{args.output} holds a training. Go on with --resume, or name another.")

    pairs = load(args, ["train"])
    valid = load(args, ["val", "valid"])
    valid = valid[:: max(1, len(valid) // training["valid_size"])]
    if args.checkpoint:
        pipeline = s2s_zoo.from_pretrained(args.checkpoint)
        if args.lora:
            s2s_zoo.enable_lora(pipeline.model, args.lora)
    else:
        pipeline = new_pipeline(args, config, pairs)
    model = pipeline.model

    metrics = GenerationMetrics(
        pipeline, valid, directory=args.output / "best", patience=training["patience"]
    )
    state = TrainingState(state_path, {"metrics": metrics})
    options = {name: training[name] for name in ("batch_tokens", "sampling", "seed")}
    steps = len(pipeline.batches(pairs, **options)) * training["epochs"]
    model.compile(
        optimizer=optimizer(training, steps),
        loss=SmoothedCrossEntropy(training["label_smoothing"]),
        jit_compile=args.jit or keras.backend.backend() == "jax",
    )
    done = state.restore(model)
    batches = pipeline.batches(pairs, start_epoch=done, **options)
    print(
        f"{len(pairs):,} pairs, {len(valid):,} held out, {model.count_params():,} parameters, "
        f"{steps:,} steps, {training['precision']} on {keras.backend.backend()}, epoch {done} done",
        file=sys.stderr,
    )
    start = time.perf_counter()
    if not (done and state.finished):
        model.fit(
            batches,
            initial_epoch=done,
            epochs=training["epochs"],
            verbose=1 if sys.stderr.isatty() else 2,
            callbacks=[metrics, *extra_callbacks(args), state],
        )
    report(metrics, (time.perf_counter() - start) / 60, args.output)


def extra_callbacks(args):
    """TensorBoard, where it is asked for."""
    if not args.tensorboard:
        return []
    if importlib.util.find_spec("tensorboard") is None:
        raise DataError("--tensorboard needs the package: pip install 's2s-zoo[train]'")
    return [keras.callbacks.TensorBoard(args.output / "logs")]


def report(metrics, minutes, output):
    """The summary a person wants to see at the end."""
    best = metrics.best
    print(f"\n{minutes:.1f} minutes. Best of {len(metrics.history)} epochs: {best['epoch']}")
    print(f"  BLEU {best['bleu']:.2f}  {metrics.signatures['bleu']}  (greedy)")
    print(f"  chrF {best['chrf']:.2f}  {metrics.signatures['chrf']}")
    print(f"  perplexity {best['perplexity']:.2f} a token")
    for source, text, target in metrics.samples:
        print(f"\n  {source}\n  -> {text}\n   = {target}")
    print(f"\nUse it:      s2s-zoo translate --model {output / 'best'} 'some text'")
    print(f"Evaluate it: s2s-zoo evaluate --model {output / 'best'} --num-beams 5 --data FILE.tsv")


if __name__ == "__main__":
    try:
        main()
    except S2SZooError as error:
        sys.exit(f"train.py: error: {error}")
