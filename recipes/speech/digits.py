"""Makes a data set of spoken numbers: recordings of single digits, joined to strings.

python recipes/speech/digits.py --recordings recordings.zip --output digits
"""

import argparse
import io
import re
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
from s2s_zoo.errors import DataError

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

import training as shared  # noqa: E402

WORDS = "zero one two three four five six seven eight nine".split()
NAME = re.compile(r"(\d)_(\w+?)_(\d+)\.wav$")
MOST_DIGITS = 7
HELD_OUT_TAKES = 10  # those below are nobody's training; 5 and 6 choose the best epoch
CHOOSING = (5, 6)


class Take(NamedTuple):
    """A recording of one digit."""

    digit: int
    speaker: str
    number: int
    samples: np.ndarray


def read_takes(path):
    """The recordings in a folder or an archive of names such as 7_theo_12.wav, and their rate."""
    if path.is_dir():
        files = {str(name): name.read_bytes() for name in path.rglob("*.wav")}
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            files = {x: archive.read(x) for x in archive.namelist() if x.endswith(".wav")}
    else:
        raise DataError(f"{path} is no folder and no .zip. Name the recordings; see the README.")
    takes, rates = [], set()
    for name in sorted(files):
        if found := NAME.search(name):
            samples, rate = soundfile.read(io.BytesIO(files[name]), dtype="float32")
            rates.add(rate)
            takes.append(Take(int(found[1]), found[2], int(found[3]), samples))
    if len(rates) != 1:
        raise DataError(
            f"{path} expected recordings of one rate, named DIGIT_SPEAKER_TAKE.wav. Received: "
            f"{len(takes)} of them, of the rates {sorted(rates)}."
        )
    return takes, rates.pop()


def split(takes, held_out):
    """The takes of each split, which have none in common, and the others no held-out speaker."""
    speakers = sorted({take.speaker for take in takes})
    if held_out not in speakers:
        raise DataError(f"--held-out is one of {', '.join(speakers)}. Received: {held_out}.")
    known = [take for take in takes if take.speaker != held_out]
    new = [take for take in known if take.number < HELD_OUT_TAKES]
    return {
        "train": [take for take in known if take.number >= HELD_OUT_TAKES],
        "valid": [take for take in new if take.number in CHOOSING],
        "test-takes": [take for take in new if take.number not in CHOOSING],
        "test-speaker": [take for take in takes if take.speaker == held_out],
    }


def by_speaker(takes):
    """{speaker: {digit: its takes}}."""
    found = {}
    for take in takes:
        found.setdefault(take.speaker, {}).setdefault(take.digit, []).append(take)
    return found


def joined(speakers, rate, generator):
    """One string by one of the speakers: its samples and its words."""
    own = speakers[generator.choice(list(speakers))]
    count = generator.integers(1, MOST_DIGITS + 1)
    speed = generator.uniform(0.9, 1.1)

    def pause(least, most):
        return np.zeros(int(rate * generator.uniform(least, most)), "float32")

    pieces, words = [pause(0.1, 0.4)], []
    for digit in generator.choice(sorted(own), count):
        take = own[digit][generator.integers(len(own[digit]))]
        pieces += [soxr.resample(take.samples, rate * speed, rate), pause(0.02, 0.5)]
        words.append(WORDS[digit])
    samples = np.concatenate(pieces)
    loud = max(float(np.abs(samples).max()), 1e-3)
    samples *= generator.uniform(0.2, 0.9) / loud
    power = np.sqrt(np.mean(samples**2)) * 10 ** (-generator.uniform(10, 40) / 20)
    samples += power * generator.standard_normal(len(samples)).astype("float32")
    return np.clip(samples, -1, 1), " ".join(words)


def write(folder, name, takes, rate, count, generator):
    """Writes so many strings of a split as FLAC files, and their table."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    speakers, lines, seconds = by_speaker(takes), [], 0.0
    for i in range(count):
        samples, words = joined(speakers, rate, generator)
        file = f"{name}/{i:05}.flac"
        soundfile.write(folder / file, samples, rate)
        seconds += len(samples) / rate
        lines.append(f"{file}\t{words}\n")
    (folder / f"{name}.tsv").write_text("".join(lines), encoding="utf-8")
    print(f"{name}: {count:,} strings, {seconds / 60:.0f} minutes, of {len(takes):,} recordings")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--recordings", type=Path, required=True, help="a folder or a .zip; see the README")
    add("--output", type=Path, required=True, help="a folder of its own")
    add("--strings", type=int, default=12_000, metavar="N", help="to train on; default: 12000")
    add("--held-out-strings", type=int, default=500, metavar="N", help="a split; default: 500")
    add("--held-out", default="theo", metavar="SPEAKER", help="of the last test; default: theo")
    add("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    if min(args.strings, args.held_out_strings) < 1:
        parser.error("a split has at least one string")
    if args.output.exists() and any(args.output.iterdir()):
        raise DataError(f"{args.output} is not empty. Name a folder of its own.")
    takes, rate = read_takes(args.recordings)
    for number, (name, own) in enumerate(split(takes, args.held_out).items()):
        if not own:
            raise DataError(f"{args.recordings} has no recordings for {name}. Get all of them.")
        count = args.strings if name == "train" else args.held_out_strings
        generator = np.random.default_rng([args.seed, number])
        write(args.output, name, own, rate, count, generator)


if __name__ == "__main__":
    shared.run(main)
