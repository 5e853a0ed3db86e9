"""Training pairs for real text: everyday sentences, prose, and what must not change.

python recipes/translation/real_text/prepare.py --data DATA --language de --output data/real-de

writes train.tsv, valid.tsv (which chooses the epoch) and test-*.tsv (which do not), English first.
With several languages each has a folder of its own below the output, and beside them train.tsv and
valid.tsv are what a model from all of them into English learns of, English second.
"""

import argparse
import random
import re
import sys
from pathlib import Path

import numpy as np

from s2s_zoo.data.text.dates import date_spans
from s2s_zoo.data.text.documents import split
from s2s_zoo.data.text.normal import normalize
from s2s_zoo.data.text.spans import find_spans
from s2s_zoo.data.text.symbols import TEMPLATE, WRITTEN, symbol_pattern

HERE = Path(__file__).parent
sys.path.append(str(HERE))

from entities import LANGUAGES, Entities  # noqa: E402
from held_out import part_of_package, part_of_page  # noqa: E402

SYMBOLS = [TEMPLATE.format(number) for number in range(1, 13)]
LONGEST = {"de": 80, "fr": 90, "zh": 130}  # words, or Chinese characters
PERSONS = {  # who appears in everyday sentences, and may be anybody else
    "m": ("Tom", "John", "Jim", "Bob", "Bill", "Ken", "Mike"),
    "f": ("Mary", "Maria", "Marie", "Alice", "Jane", "Emily", "Nancy"),
    "city": ("Boston", "Chicago", "London", "Berlin", "Paris", "Tokyo", "Rome"),
}
NUMBER = re.compile(r"(?<![\w.,])\d{2,6}(?![\w]|[.,]\d)")
CHINESE = re.compile(r"[\u3400-\u9fff]")


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        required=True,
        help="holds manythings, debian_descriptions, ...",
    )
    add("--language", choices=("de", "fr", "zh"), nargs="+", required=True, help="beside English")
    add("--output", type=Path, required=True)
    add("--seed", type=int, default=1)
    return parser.parse_args(argv)


# Sources, each a list of (English, other).


def everyday(folder, language, split):
    rows = read(folder / "manythings" / f"en-{language}" / f"{split}.tsv")
    return [(row[0], row[1]) for row in rows]


def descriptions(folder, language):
    """Yields (the family's part of the data, English, other)."""
    for package, _, english, *other in read(folder / "debian_descriptions" / f"{language}.tsv"):
        yield part_of_package(package), english, " ".join(other)


def helps(folder, language):
    for place, english, other in read(folder / "libreoffice_help" / f"{language}.tsv"):
        yield part_of_page(place), english, other


def read(path):
    with path.open(encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t") for line in lines]


# Cleaning.


def length(text):
    return len(CHINESE.findall(text)) * 0.6 + len(text.split())


def alike(pair, language):
    """Whether the two can be translations of each other by their lengths."""
    first, second = (length(text) for text in pair)
    return (
        pair[0]
        and pair[1]
        and max(len(text.split()) for text in pair) <= LONGEST[language]
        and len(pair[1]) <= 3 * LONGEST[language] * (1 if language == "zh" else 3)
        and max(first, second) <= 2.2 * min(first, second) + 4
        and not (language == "zh" and not CHINESE.search(pair[1]))
    )


def clean(pairs, language):
    tidy = (
        tuple(normalize(text, name) for name, text in zip(("en", language), pair, strict=True))
        for pair in pairs
    )
    return list(dict.fromkeys(pair for pair in tidy if alike(pair, language)))


def apart(pairs, texts):
    """The pairs of which neither side is among the texts that are kept for scores."""
    return [pair for pair in pairs if not texts.intersection(pair)]


def scored():
    """The sources of the sets beside this file, whole and by sentence."""
    texts = set()
    for path in HERE.glob("*-*.tsv"):
        for row in read(path):
            name = path.stem.split("-")[0]
            text = normalize(row[1], name)
            texts |= {text, *long(split(text, name).sentences)}
    return texts


def long(texts):
    """Those that say more than the headings and greetings that are everywhere."""
    return {text for text in texts if length(text) > 5}


def sentences(pairs, language):
    """The aligned sentences of paragraphs that have equally many on both sides."""
    found = []
    for pair in pairs:
        pieces = [
            split(text, name).sentences for name, text in zip(("en", language), pair, strict=True)
        ]
        if 1 < len(pieces[0]) == len(pieces[1]):
            rows = list(zip(*pieces, strict=True))
            if all(alike(row, language) for row in rows):
                found += rows
    return found


# Augmentation.


def templates(language, entities, number):
    """Pairs drawn from templates.tsv, every slot filled on both sides."""
    rows = read(HERE / "templates.tsv")[1:]
    columns = LANGUAGES.index("en"), LANGUAGES.index(language)
    rows = [tuple(row[column] for column in columns) for row in rows]
    rows = [row for row in rows if all(row)]
    return [fill(entities.random.choice(rows), language, entities) for _ in range(number)]


def fill(row, language, entities):
    slots = re.findall(r"\{(\w+)", row[0])
    drawn_for = {slot: [entities.draw(slot) for _ in range(slots.count(slot))] for slot in slots}
    pair = []
    for name, text in zip(("en", language), row, strict=True):
        left = {slot: iter(values) for slot, values in drawn_for.items()}
        text = re.sub(
            r"\{(\w+)(:\w+)?\}",
            lambda m, left=left, name=name: next(left[m[1]])[name],
            text,
        )
        text = text.replace("..", ".") if text.endswith("m..") else text
        if name == "fr":
            text = re.sub(r"\b([Dd])e (?=[AEIOUÉÈÂÊaeiouéèâêh])", r"\1'", text)
            text = re.sub(r"apprend ([aeiouéèh])", r"apprend l'\1", text)
            text = re.sub(r"apprend (?=[^l aeiouéèh])", "apprend le ", text)
        pair.append(text)
    return tuple(pair)


def renamed(pairs, entities, share):
    """Everyday people and towns by other names, on both sides."""
    draw = entities.random
    found = []
    for pair in pairs:
        for kind, names in PERSONS.items():
            present = [n for n in names if all(re.search(rf"\b{n}\b", text) for text in pair)]
            if present and draw.random() < share and "'s" not in pair[0]:
                pair = exchange(pair, present[0], name_of(kind, entities))
                found.append(pair)
                break
    return found


def name_of(kind, entities):
    if kind == "city":
        return entities.draw("city")["en"]
    locale = entities.locale()
    first = locale.first_name_male() if kind == "m" else locale.first_name_female()
    return first if entities.random.random() < 0.6 else f"{first} {entities.draw('last')['en']}"


def exchange(pair, old, new):
    return tuple(re.sub(rf"\b{old}\b", lambda _: new, text) for text in pair)


def renumbered(pairs, entities, share):
    """Numbers that both sides have, exchanged for others of as many digits."""
    draw = entities.random
    found = []
    for pair in pairs:
        numbers = [set(NUMBER.findall(text)) for text in pair]
        both = sorted(numbers[0] & numbers[1])
        if not both or draw.random() > share:
            continue
        new = {old: str(draw.randint(10 ** (len(old) - 1), 10 ** len(old) - 1)) for old in both}
        pair = tuple(NUMBER.sub(lambda m, new=new: new.get(m[0], m[0]), text) for text in pair)
        found.append(pair)
    return found


def spelled(pairs, draw, number):
    """Small letters alone, a missing end mark, doubled letters and lost ones: in the source."""
    rows = draw.sample(pairs, number)
    return [(noisy(row[0], draw), row[1], row[0], noisy(row[1], draw)) for row in rows]


def noisy(text, draw):
    kind = draw.random()
    if kind < 0.4:
        return text.lower()
    if kind < 0.6:
        return text.rstrip(".!。！") or text
    if kind < 0.7:
        return text.translate(str.maketrans("äöüß", "aous")) if kind < 0.65 else f"{text} "
    places = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i - 1].isalpha()]
    for place in sorted(draw.sample(places, min(len(places), 1 + len(text) // 40)), reverse=True):
        turn = draw.random()
        if turn < 0.4:
            text = text[:place] + text[place + 1 :]
        elif turn < 0.7:
            text = text[:place] + text[place] + text[place:]
        else:
            text = text[: place - 1] + text[place] + text[place - 1] + text[place + 1 :]
    return text


def joined(pairs, draw, number):
    """Two or three everyday sentences in one line."""
    found = []
    for _ in range(number):
        rows = draw.sample(pairs, draw.choice((2, 2, 3)))
        separator = ("", " ")[not CHINESE.search(rows[0][1])]
        found.append((" ".join(row[0] for row in rows), separator.join(row[1] for row in rows)))
    return found


def word_links(pairs):
    """For each pair (English word, other) the words that most likely translate each other."""
    from s2s_zoo.generation.ibm_model import translation_table

    ids = [{}, {}]
    rows = [
        [
            np.array([ids[k].setdefault(word, len(ids[k])) for word in words(pair[k])])
            for pair in pairs
        ]
        for k in range(2)
    ]
    best = []
    for first, second in ((0, 1), (1, 0)):
        source, target, probability = translation_table(rows[first], rows[second], 4)
        order = np.lexsort((-probability, source))
        heads = order[np.unique(source[order], return_index=True)[1]]
        names = [list(table) for table in ids]
        best.append(
            {
                names[first][source[i]]: names[second][target[i]]
                for i in heads
                if probability[i] > 0.3
            }
        )
    return {(one, two) for one, two in best[0].items() if best[1].get(two) == one}


def words(text):
    return re.findall(r"\w[\w'-]*\w|\w|[.,!?]", text)


def tagged(pairs, links, draw, number, chinese):
    """Pairs of marks around a sentence or around words that translate each other."""
    found = []
    for pair in draw.sample(pairs, len(pairs)):
        if len(found) == number:
            break
        marks = draw.sample(SYMBOLS, 2)
        if draw.random() < 0.4 or chinese:
            found.append(tuple(f"{marks[0]}{text}{marks[1]}" for text in pair))
            continue
        both = [
            (one, two)
            for one in dict.fromkeys(words(pair[0]))
            for two in dict.fromkeys(words(pair[1]))
            if (one, two) in links and one.isalpha()
        ]
        if both:
            chosen = draw.choice(both)
            marked = [
                re.sub(
                    rf"\b{re.escape(word)}\b",
                    f"{marks[0]}{word}{marks[1]}",
                    text,
                    count=1,
                )
                for word, text in zip(chosen, pair, strict=True)
            ]
            if draw.random() < 0.3:
                ends = draw.sample([mark for mark in SYMBOLS if mark not in marks], 2)
                marked = [f"{ends[0]}{text}{ends[1]}" for text in marked]
            found.append(tuple(marked))
    return found


def symbols(pair, draw, share, language):
    """Most of what both sides write alike becomes symbols, in any order of their numbers."""
    marks = [match.span() for match in symbol_pattern(TEMPLATE).finditer(pair[0])]
    alike = [
        (span.text, span.text, share if span.kind not in WRITTEN else share / 3)
        for span in find_spans(pair[0])
        if not any(start <= span.start and span.end <= end for start, end in marks)
    ]
    if language == "zh":
        dates = "".join(span.text for span in date_spans(pair[1], "en"))
        alike = [*same_dates(pair, share), *(both for both in alike if both[1] not in dates)]
    alike = [both for both in alike if all(pair[k].count(both[k]) == 1 for k in (0, 1))]
    free = [mark for mark in SYMBOLS if mark not in pair[0]]
    for english, other, odds in sorted(alike, key=lambda both: len(both[0]), reverse=True):
        # What stands within something longer that has become a symbol is gone.
        if free and english in pair[0] and other in pair[1] and draw.random() < odds:
            mark = free.pop(draw.randrange(len(free)))
            pair = pair[0].replace(english, mark), pair[1].replace(other, mark)
    return pair


def same_dates(pair, share):
    """The dates of a Chinese text that its English one has too, in whatever form."""
    for span in date_spans(pair[1], "en"):
        for form in (span.target, *span.forms):
            if form in pair[0]:
                yield form, span.text, share
                break


def build(args, language):
    """Returns a dict of file to rows; a row is (English, other)."""
    draw = random.Random(args.seed)
    entities = Entities(args.seed, chinese=language == "zh")
    files = {"train": [], "valid": [], "test-descriptions": [], "test-help": []}
    prose = []
    for name, rows in (
        ("descriptions", descriptions(args.data, language)),
        ("help", helps(args.data, language)),
    ):
        for where, english, other in rows:
            if where == "train":
                prose.append((english, other))
            else:
                files["valid" if where == "valid" else f"test-{name}"].append((english, other))
    files = {name: clean(rows, language) for name, rows in files.items()}
    held = {text for rows in files.values() for pair in rows for text in pair}
    kept = scored() | long(held)
    prose = apart(clean(prose, language), kept)
    common = apart(clean(everyday(args.data, language, "train"), language), scored())
    files["valid"] = draw.sample(files["valid"], min(500, len(files["valid"])))
    checked = clean(everyday(args.data, language, "valid"), language)
    files["valid"] += checked[::4]
    files["test-everyday"] = everyday(args.data, language, "valid")
    chinese = language == "zh"
    size = len(common) + len(prose)
    links = set() if chinese else word_links(draw.sample(common, min(30_000, len(common))))
    made = {
        "everyday": common,
        "prose": prose,
        "sentences": apart(sentences(prose, language), kept),
        "templates": clean(templates(language, entities, size // (2 if chinese else 6)), language),
        "renamed": renamed(common, entities, 0.35),
        "renumbered": renumbered(prose + common, entities, 0.5),
        "joined": joined(common, draw, size // 20),
        "tagged": tagged(common + prose, links, draw, size // 16, chinese),
    }
    for name, rows in made.items():
        print(f"{name:12} {len(rows):8,}", file=sys.stderr)
    train = [symbols(pair, draw, 0.7, language) for rows in made.values() for pair in rows]
    files["train"] = list(dict.fromkeys(train))
    files["noise-en"], files["noise-other"] = [], []
    for noisy_english, other, english, noisy_other in spelled(common + prose, draw, size // 12):
        files["noise-en"].append((noisy_english, other))
        files["noise-other"].append((english, noisy_other))
    # A text in capitals is read in small letters, where German nouns look like verbs.
    for english, other in [] if chinese else draw.sample(common + prose, size // 6):
        files["noise-en"].append((english.lower(), other))
        files["noise-other"].append((english, other.lower()))
    return files


def into_english(made, draw):
    """One set of all languages, a row being (other, English); small languages come more often.

    Args:
        made: {language: what `build` gives}.
        draw: random.Random.
    """
    train = {
        language: [(other, english) for english, other in files["train"] + files["noise-other"]]
        for language, files in made.items()
    }
    most = max(map(len, train.values()))
    rows = [row for own in train.values() for row in own * (2 if 4 * len(own) < most else 1)]
    draw.shuffle(rows)
    valid = [[(other, english) for english, other in files["valid"]] for files in made.values()]
    for own in valid:
        draw.shuffle(own)
    return {
        "train": rows,
        "valid": [row for several in zip(*valid, strict=False) for row in several],
    }


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        text = "".join("\t".join(row) + "\n" for row in rows)
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8")
        print(f"{folder / name}.tsv {len(rows):,}", file=sys.stderr)


def main(argv=None):
    args = parse(argv)
    made = {language: build(args, language) for language in args.language}
    if len(made) == 1:
        write(args.output, *made.values())
        return
    for language, files in made.items():
        write(args.output / language, files)
    write(args.output, into_english(made, random.Random(args.seed)))


if __name__ == "__main__":
    main()
