"""A real Whisper here and in transformers: the same logits, texts and times, and how fast.

    python benchmarks/whisper.py DIRECTORY SOUND...

DIRECTORY holds the checkpoint in the layout of the Hub; each SOUND is a recording, or a .zip of
recordings called {digit}_{speaker}_{take}.wav, of which strings of digits are joined. Needs torch
and transformers beside the package's own `speech`. Prints one JSON object.
"""

import argparse
import io
import itertools
import json
import resource
import sys
import time
import zipfile
from functools import partial
from pathlib import Path

import numpy as np

RATE = 16000


def digit_strings(path, count, length=6):
    """Strings of digits by one speaker each, with pauses between them, and what is said."""
    from s2s_zoo.data.sound import Recording

    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path) as archive:
        names = sorted(x for x in archive.namelist() if x.endswith(".wav"))
        speakers = sorted({Path(x).stem.split("_")[1] for x in names})
        for speaker in itertools.islice(itertools.cycle(speakers), count):
            of_speaker = [x for x in names if f"_{speaker}_" in x]
            parts, said = [np.zeros(RATE // 2, "float32")], []
            for name in rng.choice(of_speaker, length, replace=False):
                said.append(Path(name).stem[0])
                parts.append(Recording(archive.read(str(name))).read().samples)
                parts.append(np.zeros(int(RATE * rng.uniform(0.15, 0.4)), "float32"))
            yield f"{speaker}: {' '.join(said)}", np.concatenate(parts)


def read(paths, count):
    """(name, samples) of every recording."""
    from s2s_zoo.data.sound import Recording

    for path in paths:
        if path.endswith(".zip"):
            yield from digit_strings(path, count)
        else:
            yield path, Recording(io.BytesIO(Path(path).read_bytes())).read().samples


def seconds_of(function):
    """The result of a second call, and the seconds it took: the first one compiles."""
    function()
    start = time.perf_counter()
    return function(), time.perf_counter() - start


def main():
    """Compares the two and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory")
    parser.add_argument("sounds", nargs="+")
    parser.add_argument("--strings", type=int, default=3, help="of digits, of a .zip")
    parser.add_argument("--beams", type=int, default=5)
    parser.add_argument("--language", default="en")
    arguments = parser.parse_args()

    import torch
    import transformers
    from keras import ops

    import s2s_zoo
    from s2s_zoo.protocol import START

    def grown(make):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        made = make()
        return made, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024

    ours, our_memory = grown(lambda: s2s_zoo.from_pretrained(arguments.directory, dtype="float32"))
    theirs, their_memory = grown(
        lambda: transformers.WhisperForConditionalGeneration.from_pretrained(
            arguments.directory, dtype=torch.float32
        ).eval()
    )
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(arguments.directory)
    tokenizer = transformers.WhisperTokenizerFast.from_pretrained(arguments.directory)
    processor = ours.processor
    options = {"language": arguments.language} if processor.multilingual else {}
    plain = {
        "temperature": 0.0,
        "compression_ratio_threshold": None,
        "logprob_threshold": None,
        "no_speech_threshold": None,
        **options,
    }
    rows = []
    for name, samples in read(arguments.sounds, arguments.strings):
        seconds = len(samples) / RATE
        is_long = seconds > processor.frames * processor.hop / RATE
        how = {"truncation": False, "padding": "longest", "return_attention_mask": True}
        inputs = extractor(
            samples, sampling_rate=RATE, return_tensors="pt", **(how if is_long else {})
        )
        row = {"sound": name, "seconds": round(seconds, 2)}
        if not is_long:
            features = np.stack(processor.encode_source([(samples, RATE)]))
            expected = inputs["input_features"].numpy().transpose(0, 2, 1)
            row["features_differ"] = float(np.abs(features - expected).max())
            code = processor.language_id(arguments.language) if options else None
            prompt = processor.prompt(code, "transcribe", False)
            target = np.array([[START, *prompt, *range(3, 40)]])
            with torch.no_grad():
                logits = theirs(
                    input_features=torch.tensor(expected.transpose(0, 2, 1)),
                    decoder_input_ids=torch.tensor(processor.order[target]),
                ).logits.numpy()[..., processor.order]
            found = ops.convert_to_numpy(ours.model({"source": expected, "target": target}))
            row["logits_differ"] = float(np.abs(found - logits).max())
        for beams, timed in itertools.product((1, arguments.beams), (False, True)):
            if is_long and not timed:
                continue
            search = {"num_beams": beams} if beams > 1 else {}
            (text, our_time), (ids, their_time) = (
                seconds_of(
                    partial(ours, (samples, RATE), return_timestamps=timed, **search, **plain)
                ),
                seconds_of(
                    partial(
                        theirs.generate,
                        **inputs,
                        num_beams=beams,
                        return_timestamps=timed,
                        **options,
                    )
                ),
            )
            text = text.text if timed else text
            their_text = tokenizer.batch_decode(ids, skip_special_tokens=True)[0].strip()
            key = f"beams={beams} timestamps={timed}"
            row[key] = {
                "same": text == their_text,
                "ours": text,
                **({} if text == their_text else {"theirs": their_text}),
                "our_seconds": round(our_time, 2),
                "their_seconds": round(their_time, 2),
            }
            print(name, key, row[key], file=sys.stderr, flush=True)
        rows.append(row)
    report = {
        "memory_mib": {"ours": round(our_memory), "theirs": round(their_memory)},
        "sounds": rows,
    }
    print(json.dumps(report, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
