"""A MarianMT of the size of opus-mt-en-de in transformers or CTranslate2, for marian.py.

build   writes one with random weights, and the tokenizer files it needs
hf      decodes with transformers, ct2 with CTranslate2: a turn for every line of standard input
"""

import argparse
import json
import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
SIZE = 58_101  # of the vocabulary; the last entry is padding, the first the end


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("work", choices=("build", "hf", "ct2"))
    add("--folder", type=Path, required=True, help="of the model")
    add("--data", type=Path, help="build: folder with train.en and train.de")
    add("--precision", default="float32", help="of the products, such as bfloat16 or int8")
    add("--threads", type=int, default=2)
    add("--mkl", choices=("0", "1"), help="ct2: products by Intel's MKL, or not, as oneDNN's")
    return parser.parse_args()


def build(args):
    import sentencepiece
    import torch
    from transformers import GenerationConfig, MarianConfig, MarianMTModel, MarianTokenizer

    folder = args.folder
    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        input=[str(args.data / f"train.{language}") for language in ("en", "de")],
        model_prefix=str(folder / "joint"),
        vocab_size=8000,
        minloglevel=2,
    )
    for name in ("source.spm", "target.spm"):
        shutil.copy(folder / "joint.model", folder / name)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "joint.model"))
    names = ["</s>", "<unk>", *map(pieces.id_to_piece, range(3, pieces.get_piece_size()))]
    names += [f"▁filler{i}" for i in range(SIZE - 1 - len(names))] + ["<pad>"]
    vocabulary = {name: i for i, name in enumerate(names)}
    path = folder / "vocab.json"
    path.write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    torch.manual_seed(1)
    config = MarianConfig(
        vocab_size=SIZE,
        d_model=512,
        encoder_layers=6,
        decoder_layers=6,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=2048,
        decoder_ffn_dim=2048,
        activation_function="swish",
        scale_embedding=True,
        max_position_embeddings=512,
        pad_token_id=SIZE - 1,
        eos_token_id=0,
        decoder_start_token_id=SIZE - 1,
        forced_eos_token_id=None,
    )
    model = MarianMTModel(config).eval()
    model.generation_config = GenerationConfig(
        pad_token_id=SIZE - 1,
        eos_token_id=0,
        decoder_start_token_id=SIZE - 1,
        bad_words_ids=[[SIZE - 1]],
        max_length=512,
    )
    model.save_pretrained(folder)
    spm = (str(folder / "source.spm"), str(folder / "target.spm"), str(path))
    MarianTokenizer(*spm, source_lang="en", target_lang="de").save_pretrained(folder)


def transformers_side(args):
    """Returns facts about the model that was loaded and a function from ids to the best ids."""
    import torch
    import transformers

    torch.set_num_threads(args.threads)
    dtype, kind = getattr(torch, args.precision), transformers.MarianMTModel  # imported by now
    start = time.perf_counter()
    model = kind.from_pretrained(args.folder, dtype=dtype).eval()
    seconds = time.perf_counter() - start

    def search(rows, num_beams, length):
        ids = torch.tensor(rows)
        with torch.inference_mode():
            found = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                num_beams=num_beams,
                do_sample=False,
                min_new_tokens=length,
                max_new_tokens=length,
            )
        return found[:, 1:].tolist()

    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    return {"versions": versions, "seconds": seconds}, search


def ctranslate2_side(args):
    """As `transformers_side`."""
    if args.mkl is not None:  # read at import
        os.environ["CT2_USE_MKL"] = args.mkl
    import ctranslate2

    path = args.folder / f"ct2_{args.precision}"
    if not (path / "model.bin").exists():
        files = ["source.spm", "target.spm"]
        quantization = None if args.precision == "float32" else args.precision
        converter = ctranslate2.converters.TransformersConverter(str(args.folder), copy_files=files)
        converter.convert(str(path), quantization=quantization, force=True)
    start = time.perf_counter()
    model = ctranslate2.Translator(
        str(path),
        device="cpu",
        compute_type=args.precision,
        inter_threads=1,
        intra_threads=args.threads,
    )
    seconds = time.perf_counter() - start
    vocabulary = json.loads((args.folder / "vocab.json").read_text(encoding="utf-8"))
    names = {i: name for name, i in vocabulary.items()}

    def search(rows, num_beams, length):
        found = model.translate_batch(
            [[names[i] for i in row] for row in rows],
            beam_size=num_beams,
            min_decoding_length=length,
            max_decoding_length=length,
        )
        return [[vocabulary[name] for name in row.hypotheses[0]] for row in found]

    return {"versions": {"ctranslate2": ctranslate2.__version__}, "seconds": seconds}, search


def main():
    args = parse()
    if args.work == "build":
        build(args)
        return
    facts, search = {"hf": transformers_side, "ct2": ctranslate2_side}[args.work](args)
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        work = json.loads(line)
        start = time.perf_counter()
        found = search(**work)
        answer = {"seconds": time.perf_counter() - start, "found": found}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
