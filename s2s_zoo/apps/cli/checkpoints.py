"""Commands about checkpoints: `s2s-zoo list | show | download | verify | push | …`."""

from __future__ import annotations

import json
import math
from typing import Any

from s2s_zoo.apps.cli.shared import NAME
from s2s_zoo.checkpoints.catalog import REMOTE, list_checkpoints, resolve
from s2s_zoo.checkpoints.contents import check_opened
from s2s_zoo.checkpoints.layout import CARD, WEIGHTS
from s2s_zoo.checkpoints.popular import list_popular
from s2s_zoo.checkpoints.quantization import SCALE
from s2s_zoo.protocol.files import describe_file, read_file, verify_files
from s2s_zoo.protocol.safetensors_file import read_header


def add_commands(commands: Any) -> None:
    """Adds them to the subparsers of the command line."""
    command = commands.add_parser("list", help="the checkpoints that load by name")
    command.set_defaults(command=_list)
    command.add_argument("--task", help="only those of one task, such as translation")
    command.add_argument("--json", action="store_true", help="everything known, as JSON")
    command.add_argument("--hub", action="store_true", help="what people load from the Hub instead")

    command = commands.add_parser("show", help="one checkpoint: its card, parameters and shapes")
    command.set_defaults(command=_show)
    command.add_argument("name", metavar="NAME", help=NAME)

    command = commands.add_parser("download", help="put a checkpoint into the cache of the Hub")
    command.set_defaults(command=_download)
    command.add_argument("name", metavar="NAME", help=NAME)

    command = commands.add_parser("verify", help="compare the files here with their hashes")
    command.set_defaults(command=_verify)
    command.add_argument("name", metavar="NAME", help=NAME)

    command = commands.add_parser("push", help="upload a checkpoint to the Hub")
    command.set_defaults(command=_push, usage_error=command.error)
    command.add_argument("directory", metavar="DIR")
    command.add_argument("repo_id", metavar="REPO", help="organization/name")
    command.add_argument("--private", action="store_true", default=None, help="if it is new")
    command.add_argument("--revision", metavar="BRANCH", help="default: main")
    command.add_argument("--create-pr", action="store_true", help="open a pull request")
    command.add_argument("--message", default="Upload with s2s_zoo", help="of the commit")

    command = commands.add_parser("release", help="publish a bundled checkpoint and pin it")
    command.set_defaults(command=_release)
    command.add_argument("name", metavar="NAME", help="a bundled checkpoint")
    command.add_argument("--repo", metavar="REPO", help="default: NAME of who is logged in")


def _list(arguments):
    if arguments.hub:
        _list_hub(arguments)
        return
    entries = list_checkpoints(arguments.task)
    if arguments.json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    for name, entry in entries.items():
        scores: dict[str, list[str]] = {}
        for metric in entry["metrics"]:
            scores.setdefault(metric["dataset"], []).append(f"{metric['name']} {metric['value']}")
        told = "; ".join(f"{', '.join(found)} on {dataset}" for dataset, found in scores.items())
        where = "bundled" if "path" in entry else f"{REMOTE}{entry['repo_id']}"
        print(f"{name:<24} {entry['parameters'] / 1e6:6.1f}M  {where:<8} {told}")


def _list_hub(arguments):
    entries = list_popular(arguments.task)
    if arguments.json:
        found = [{**x._asdict(), "line": x.line, "looked_up": x.looked_up} for x in entries]
        print(json.dumps(found, indent=2))
        return
    for task in dict.fromkeys(entry.task for entry in entries):
        print(f"{task}")
        for entry in (entry for entry in entries if entry.task == task):
            known = ", ".join(filter(None, (entry.license, entry.size, entry.languages)))
            print(f"  {entry.line}{known and f'  # {known}, {entry.looked_up}'}")


def _show(arguments):
    opened = resolve(arguments.name)
    check_opened(opened)
    directory = opened.directory
    if (directory / CARD).is_file():
        card = read_file(directory / CARD).decode("utf-8", "replace")
        # A card from elsewhere does not steer the terminal.
        print("".join(c for c in card if c.isprintable() or c in "\n\t").rstrip() + "\n")
    rows = read_header(directory / WEIGHTS)
    total = sum(math.prod(x[0]) for name, x in rows.items() if not name.endswith(SCALE))
    print(f"directory   {directory}\ntask        {opened.config['task']}\nparameters  {total:,}")
    for name, (shape, dtype) in rows.items():
        print(f"  {name:<48} {dtype:<5} {' x '.join(map(str, shape))}")


def _download(arguments):
    print(resolve(arguments.name).directory)


def _verify(arguments):
    opened = resolve(arguments.name, local_only=True)
    check_opened(opened)
    directory, files = opened.directory, opened.config["files"]
    verify_files(directory, files, opened.verified)
    files |= list_checkpoints().get(arguments.name, {}).get("files", {})
    for name in sorted(files):
        found = describe_file(directory / name)
        print(f"{found['sha256']}  {found['size']:>12,}  {name}")
    print(f"{arguments.name}: {len(files)} files are as they were recorded, in {directory}")


def _push(arguments):
    from s2s_zoo.checkpoints.publish import push

    if arguments.create_pr and arguments.revision:
        arguments.usage_error("a pull request is always against the main branch")
    commit = push(
        arguments.directory,
        arguments.repo_id,
        arguments.private,
        arguments.revision,
        arguments.create_pr,
        arguments.message,
    )
    print(commit.pr_url or f"{REMOTE}{arguments.repo_id}@{commit.oid}")


def _release(arguments):
    from s2s_zoo.checkpoints.publish import release

    entry = release(arguments.name, arguments.repo)
    print(f"{REMOTE}{entry['repo_id']}@{entry['revision']}")
