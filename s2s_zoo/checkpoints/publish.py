"""Checkpoints to the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from s2s_zoo.checkpoints.catalog import list_checkpoints, resolve, write_entry
from s2s_zoo.checkpoints.contents import check_opened, open_directory
from s2s_zoo.checkpoints.download import download
from s2s_zoo.checkpoints.layout import CARD, CONFIG, GENERATION
from s2s_zoo.checkpoints.remedies import AS, one_line
from s2s_zoo.protocol.errors import CheckpointError
from s2s_zoo.protocol.files import describe_file, read_file, verify_files
from s2s_zoo.protocol.registry import unknown_name
from s2s_zoo.protocol.types import Config, StrPath

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo


def push(
    directory: StrPath,
    repo_id: str,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    commit_message: str = "Upload with s2s_zoo",
) -> CommitInfo:
    """Uploads a checkpoint in one commit, after verifying it; other files stay where they are.

    Args:
        directory: str or path, as `Pipeline.save` wrote it.
        repo_id: str, "organization/name"; made if there is none.
        private: bool, of a new repository; None is the default of the organization.
        revision: str, the branch to commit to, made if there is none; None is the main branch.
        create_pr: bool, open a pull request instead, which needs no right to write.
        commit_message: str.

    Returns:
        The client's `CommitInfo`: `oid` is the commit to pin, `pr_url` the pull request.

    Raises:
        CheckpointError: if the directory is no complete checkpoint with a card, or the Hub
            refuses.
        ValueError: for a pull request against another branch than the main one.
    """
    if create_pr and revision not in (None, "main"):
        raise ValueError(
            "push expected a branch or a pull request, which is always against the main branch. "
            f"Received: revision={revision!r}, create_pr=True."
        )
    directory = Path(directory)
    opened = open_directory(directory)
    check_opened(opened)
    recorded = opened.config["files"]
    verify_files(directory, recorded)
    content = {name: read_file(directory / name) for name in (CONFIG, GENERATION, CARD)}
    content |= {name: directory / name for name in recorded}

    from huggingface_hub import CommitOperationAdd, HfApi

    with one_line(repo_id):
        api = HfApi(**AS)
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        return api.create_commit(
            repo_id,
            [CommitOperationAdd(name, what) for name, what in content.items()],
            commit_message=commit_message,
            revision=revision,
            create_pr=create_pr,
        )


def release(name: str, repo_id: str | None = None) -> Config:
    """Publishes a bundled checkpoint, and pins in checkpoints.json what arrived.

    The catalog is written once what was uploaded came back identical.

    Args:
        name: str, a bundled checkpoint.
        repo_id: str, "organization/name"; None is the repository of this name of whoever is
            logged in.

    Returns:
        The new entry of the catalog.

    Raises:
        CheckpointError: if the checkpoint is unknown or not bundled, or the Hub refuses.
    """
    entries = list_checkpoints()
    if name not in entries:
        raise CheckpointError(unknown_name(entries, name, "checkpoint"))
    if "path" not in entries[name]:
        raise CheckpointError(
            f"{name} is not bundled; it is published as {entries[name]['repo_id']}. "
            "`s2s-zoo push DIR REPO` uploads another version."
        )
    directory = resolve(name).directory
    files = {path: describe_file(directory / path) for path in entries[name]["files"]}
    if repo_id is None:
        from huggingface_hub import HfApi

        with one_line(name):
            repo_id = f"{HfApi(**AS).whoami()['name']}/{name}"
    commit = push(
        directory, repo_id, commit_message=f"{name}, from s2s_zoo {AS['library_version']}"
    )
    download(repo_id, commit.oid, files)
    entry = {**entries[name], "repo_id": repo_id, "revision": commit.oid, "files": files}
    write_entry(name, entry)
    return entry
