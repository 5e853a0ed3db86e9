"""A checkpoint of a family of the Hub in transformers, for families.py.

build   writes it with random weights, the files of its tokenizer, and what its sources are like
hf      loads it and decodes: a turn for every line of standard input, see `measure.Side`
"""

import argparse
import json
import math
import os
import sys
import time
from functools import partial
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(BENCHMARKS), str(BENCHMARKS.parent)]

import family_sizes  # noqa: E402
import memory  # noqa: E402
import numpy as np  # noqa: E402

IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("work", choices=("build", "hf"))
    add("--folder", type=Path, required=True, help="of the model")
    add("--family", choices=family_sizes.FAMILIES, required=True)
    add("--tiny", action="store_true", help="build: as small as in the tests")
    add("--precision", default="float32")
    add("--threads", type=int, default=2)
    return parser.parse_args(argv)


def prepared(published, folder, options):
    """The model, with weights as transformers draws them; its tokenizer is in the folder then."""
    from transformers import GenerationConfig

    from tests.checkpoints.pretrained import mixed_oracle, oracle

    if make := getattr(mixed_oracle, published.maker, None):
        return make(folder, **options)[0]
    model = oracle.prepare(published.maker, folder, **options)[0]
    # Without the rules that the tests have a search follow.
    model.generation_config = GenerationConfig(**{x: getattr(model.config, x, None) for x in IDS})
    return model


def sources_of(config, folder, length):
    """What `family_sizes.drawn` is told."""
    config = config.to_dict()
    reads = config.get("vision_config") or config.get("encoder") or config
    if side := reads.get("image_size"):
        sides = [side, side] if isinstance(side, int) else side
        return {"shape": [*sides, 3], "low": 0, "high": 256}
    if config["model_type"] == "pix2struct":
        said = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
        shape = [said["max_patches"], 2 + reads["patch_embed_hidden_size"]]
        return {"shape": shape, "columns": math.isqrt(said["max_patches"])}
    if config["model_type"] == "whisper":
        return {"shape": [2 * config["max_source_positions"], config["num_mel_bins"]]}
    if config["model_type"] == "speech_to_text":
        return {"shape": [8 * length, config["input_feat_per_channel"]]}
    size, end = reads["vocab_size"], config["eos_token_id"]  # ids that no family gives a part
    return {"shape": [length], "low": size // 10, "high": size - size // 10, "end": end}


def build(args):
    published = family_sizes.FAMILIES[args.family]
    args.folder.mkdir(parents=True, exist_ok=True)
    model = prepared(published, args.folder, {} if args.tiny else published.options)
    length = family_sizes.TINY if args.tiny else published.length
    spec = json.dumps(sources_of(model.config, args.folder, length))
    (args.folder / "source.json").write_text(spec, encoding="utf-8")
    model.save_pretrained(args.folder)  # last: without weights a folder is begun anew


def inputs_of(model, folder):
    """Function of the number of rows to what the model is called with."""
    import torch

    spec = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    kind = model.config.model_type

    def inputs(rows):
        source = family_sizes.drawn(spec, rows)
        if source.ndim == 2:
            ids = torch.tensor(source)
            found = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
            if kind == "led":  # as they are trained and used
                found["global_attention_mask"] = torch.zeros_like(ids)
                found["global_attention_mask"][:, 0] = 1
            return found
        if kind == "pix2struct":
            patches = torch.tensor(source).to(model.dtype)
            return {"flattened_patches": patches, "attention_mask": torch.ones(patches.shape[:2])}
        if source.ndim == 3:
            source = source.transpose(0, 2, 1) if kind == "whisper" else source
            return {"input_features": torch.tensor(source).to(model.dtype)}
        said = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
        pixels = (source / 255 - said["image_mean"]) / said["image_std"]
        pixels = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), "float32")
        return {"pixel_values": torch.tensor(pixels).to(model.dtype)}

    return inputs


def loaded(args):
    """Returns facts about the model that was loaded, and the function of a turn."""
    import torch
    import transformers

    torch.set_num_threads(args.threads)
    torch.zeros(1).add(1)
    config = json.loads((args.folder / "config.json").read_text(encoding="utf-8"))
    kind = getattr(transformers, config["architectures"][0])
    dtype = getattr(torch, args.precision)
    model, facts = memory.loading(lambda: kind.from_pretrained(args.folder, dtype=dtype).eval())
    facts["weights"] = sum(x.numel() * x.element_size() for x in model.parameters())
    facts["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    inputs, search = inputs_of(model, args.folder), model.generate
    if config["model_type"] == "whisper":  # whose own is more than a search
        search = partial(transformers.GenerationMixin.generate, model)
    end = model.config.to_dict().get("text_config", config).get("eos_token_id")
    if config["model_type"] == "blip":
        end = model.config.text_config.sep_token_id

    def work(rows, num_beams, length, suppressed):
        given = inputs(rows)
        start = time.perf_counter()
        with torch.inference_mode():
            found = search(
                **given,
                num_beams=num_beams,
                do_sample=False,
                min_new_tokens=length - 1,
                max_new_tokens=length,
                forced_eos_token_id=end,
                suppress_tokens=[token for token in suppressed if token != end],
            )
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "found": found[:, -length:].tolist()}

    return facts, work


def main():
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    args = parse()
    if args.work == "build":
        build(args)
        return
    facts, work = loaded(args)
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        print(json.dumps(work(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
