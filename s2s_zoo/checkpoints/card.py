"""Model cards, with the metadata that the Hub reads."""

import json
import re

from s2s_zoo.protocol.tasks import TASKS
from s2s_zoo.protocol.types import Config

YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # not text in YAML 1.1
TEXT = """# {name}

{parameters:,} parameters.

```python
import s2s_zoo

pipeline = s2s_zoo.from_pretrained({source})
pipeline("{example}")
```
{scores}"""


def metadata(name: str, entry: Config) -> str:
    """Returns the front matter of a card, between its two lines of dashes.

    https://huggingface.co/docs/hub/model-cards describes the keys. Every metric stands with the
    data it was measured on, its sacreBLEU signature and the beams.

    Args:
        name: str, of the checkpoint.
        entry: dict, as in checkpoints.json: "task", and where known "languages", "license" and
            "metrics", each with "name", "value", "dataset" (whose first word names the corpus),
            "signature" and "num_beams".
    """
    metrics = entry.get("metrics", [])
    task = entry["task"]
    tag = _text(TASKS[task].tag if task in TASKS else task)
    lines = [
        *_list("language", entry.get("languages", [])),
        *([f"license: {_text(entry['license'])}"] if "license" in entry else []),
        "library_name: s2s_zoo",
        f"pipeline_tag: {tag}",
        *_list("datasets", [_corpus(metric["dataset"]) for metric in metrics]),
        *_list("metrics", [metric["name"] for metric in metrics]),
    ]
    if metrics:
        lines += ["model-index:", f"- name: {_text(name)}", "  results:"]
    for dataset in dict.fromkeys(metric["dataset"] for metric in metrics):
        lines += [
            f"  - task: {{type: {tag}}}",
            f"    dataset: {{name: {_quoted(dataset)}, type: {_text(_corpus(dataset))}}}",
            "    metrics:",
        ]
        lines += [
            f"    - {{type: {_text(metric['name'])}, value: {metric['value']}, args: {{signature: "
            f"{_quoted(metric['signature'])}, num_beams: {metric['num_beams']}}}}}"
            for metric in metrics
            if metric["dataset"] == dataset
        ]
    return "\n".join(["---", *lines, "---", ""])


def model_card(name: str, entry: Config, source: str) -> str:
    """Returns the card of a checkpoint nobody has written one for.

    Args:
        name: str.
        entry: dict, as for `metadata`, with "parameters".
        source: str, what `from_pretrained` is given to load it.
    """
    scores = [
        f"- {metric['name']} {metric['value']} on {metric['dataset']}, "
        f"{metric['num_beams']} beams: `{metric['signature']}`"
        for metric in entry.get("metrics", [])
    ]
    return metadata(name, entry) + TEXT.format(
        name=name,
        parameters=entry["parameters"],
        source=_quoted(source),
        example=TASKS[entry["task"]].example,
        scores="\n".join(["", *(scores or ["No score of it was recorded."]), ""]),
    )


def _list(key, values):
    return [f"{key}:", *(f"- {_text(value)}" for value in dict.fromkeys(values))] if values else []


def _corpus(dataset):
    return dataset.split()[0].lower()


def _text(value):
    """A YAML scalar that is read as text, quoted where it would not be."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", value) and value.lower() not in YAML_WORDS
    return value if plain else _quoted(value)


def _quoted(value):
    return json.dumps(value, ensure_ascii=False)
