"""From a repository on the Hub to a verified directory in the Hub's cache."""

import re
from functools import partial
from pathlib import Path

from s2s_zoo.checkpoints.contents import Opened, check_opened, open_directory
from s2s_zoo.checkpoints.layout import (
    CARD,
    CONFIG,
    CTRANSLATE2,
    GENERATION,
    MORE_TOKENIZER_FILES,
    PRETRAINED_WEIGHTS,
    SETTINGS,
    TOKENIZER_FILES,
)
from s2s_zoo.checkpoints.remedies import AS, one_line
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import (
    FOREIGN,
    check_name,
    check_record,
    check_size,
    read_json,
    verify_files,
)
from s2s_zoo.protocol.types import Config


def download(
    repo_id: str, revision: str | None = None, files: Config | None = None, local_only: bool = False
) -> Opened:
    """Returns a checkpoint in the Hub's cache as an `Opened`, what is missing downloaded.

    Only the files of a checkpoint are taken, each in the size it is known to have, and what
    arrived or was there already is compared with its sha256. Where the revision is a commit and
    every file is cached, nothing is asked of the Hub.

    Args:
        repo_id: str, "organization/name".
        revision: str, a branch, a tag or a commit; None is the main branch.
        files: dict {file name: {"sha256": hex digest, "size": bytes}}, what the commit is known
            to hold; None believes the config.json of the repository.
        local_only: bool, download nothing.

    Raises:
        CheckpointError: if it cannot be had, or not as it was recorded.
    """
    fetch = partial(_fetch, repo_id, local_only=local_only)
    if files is None:
        path = fetch(CONFIG, revision)
        revision = path.parent.name  # the commit, so that all files come from the same one
        opened = open_directory(path.parent)
        if opened.layout == "transformers":
            _fetch_pretrained(partial(fetch, revision=revision))
            return opened
        if "format_version" not in opened.config and fetch(CTRANSLATE2, revision, optional=True):
            for name in (*TOKENIZER_FILES, *MORE_TOKENIZER_FILES, *SETTINGS):
                fetch(name, revision, optional=True)
            return open_directory(path.parent)
        check_opened(opened, required=(CONFIG,))
        fetch(GENERATION, revision)
        fetch(CARD, revision, optional=True)
        _fetch_recorded(fetch, revision, opened.config["files"])
        return opened._replace(verified=opened.config["files"])
    path = _fetch_recorded(fetch, revision, files)
    return open_directory(path.parent, files)


def _fetch_recorded(fetch, revision, files):
    """Takes files whose sha256 and size are known, and returns the path of one of them."""
    for name, recorded in files.items():
        check_record(name, recorded)
    for name, recorded in files.items():
        path = fetch(name, revision, recorded=recorded)
    return path


def _fetch_pretrained(fetch):
    """Takes the files of a checkpoint in the layout of transformers, weights of one kind only."""
    for name in (*TOKENIZER_FILES, *SETTINGS):
        fetch(name, optional=True)
    for name in PRETRAINED_WEIGHTS:
        if fetch(name, optional=True):
            return
        if index := fetch(f"{name}.index.json", optional=True):
            places = read_json(index).get("weight_map")
            for shard in sorted(set(places.values() if isinstance(places, dict) else ())):
                check_name(shard, FOREIGN)
                fetch(shard)
            return


def _fetch(repo_id, name, revision, recorded=None, optional=False, local_only=False):
    """Returns the path of one file in the cache, or None where it may be absent and is."""
    from huggingface_hub import errors, hf_hub_download

    def get(**options):
        with one_line(repo_id):
            return hf_hub_download(
                repo_id, name, revision=revision, local_files_only=local_only, **AS, **options
            )

    path = _cached(repo_id, name, revision)
    if path is None:
        try:
            offered = get(dry_run=True)
        except CheckpointError as error:
            if optional and isinstance(error.__context__, errors.EntryNotFoundError):
                return None
            raise
        _check_offer(repo_id, name, offered, recorded)
        path = Path(get())
    if recorded is not None:
        try:
            verify_files(path.parent, {name: recorded})
        except CheckpointError as damaged:
            # A cached copy that went bad, or bytes that changed on the way: once more.
            try:
                get(force_download=True)
            except CheckpointError:
                raise damaged from None
            verify_files(path.parent, {name: recorded})
    return path


def _cached(repo_id, name, revision):
    """Returns the path of a file of a commit if it is in the cache, else None.

    `hf_hub_download` would find it too, but first asks the Hub once a day how to call itself.
    """
    from huggingface_hub import try_to_load_from_cache

    if revision is None or not re.fullmatch("[0-9a-f]{40}", revision):
        return None
    with one_line(repo_id):
        path = try_to_load_from_cache(repo_id, name, revision=revision)
    return Path(path) if isinstance(path, str) else None


def _check_offer(repo_id, name, offered, recorded):
    """Raises CheckpointError if what would be downloaded is too large or not what was recorded."""
    if offered.is_cached:
        return
    if offered.file_size is None:
        raise CheckpointError(f"{repo_id}: the Hub does not say how large {name} is. Try again.")
    check_size(name, offered.file_size)
    if recorded is not None and offered.file_size != recorded["size"]:
        raise CheckpointError(
            f"{repo_id}: {name} has {offered.file_size:,} bytes on the Hub, where "
            f"{recorded['size']:,} were recorded. It is not the file that was published; do not "
            "use it."
        )
