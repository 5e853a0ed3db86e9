"""The Hub's own client, its errors in one line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from s2s_zoo.protocol.errors import CheckpointError, S2SZooError
from s2s_zoo.protocol.version import __version__

# What the Hub counts us as.
AS: dict[str, Any] = {"library_name": "s2s_zoo", "library_version": __version__}
LOG_IN = "Log in with `hf auth login`, or set HF_TOKEN"


@contextmanager
def one_line(repo_id: str) -> Iterator[None]:
    """Turns whatever the client raises in the block into a CheckpointError about `repo_id`.

    The client's own text is left out where the server had a part in it: it may hold what was
    sent, the token with it.
    """
    from huggingface_hub import errors

    try:
        yield
    except S2SZooError:
        raise
    except (errors.HTTPError, errors.XetDownloadError, OSError, ValueError, RuntimeError) as error:
        # "Error while uploading", from what the error was.
        cause = error.__cause__ if isinstance(error, RuntimeError) else None
        raise CheckpointError(f"{repo_id}: {_remedy(cause or error, repo_id)}") from None


def _remedy(error, repo_id):
    """What went wrong and what to do, for one of the client's errors."""
    from huggingface_hub import constants, errors, get_token

    if isinstance(error, errors.LocalEntryNotFoundError):
        if isinstance(error.__cause__, errors.HfHubHTTPError | errors.HTTPError):
            return _remedy(error.__cause__, repo_id)
        if constants.HF_HUB_OFFLINE:
            return (
                "it is not in the cache, and HF_HUB_OFFLINE forbids to download it. Download it "
                "once without HF_HUB_OFFLINE."
            )
        return "it is not in the cache. Download it with `s2s-zoo download`."
    if isinstance(error, errors.GatedRepoError):
        return (
            f"this repository is gated. Accept its terms at {constants.ENDPOINT}/{repo_id}, then "
            f"{LOG_IN.lower()}."
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"there is no such repository, or it is private. Check the name. {LOG_IN}."
    if isinstance(error, errors.RevisionNotFoundError):
        return "there is no such revision. Name a branch, a tag or a commit of the repository."
    if isinstance(error, errors.EntryNotFoundError):
        return (
            "a file of the checkpoint is missing. `Pipeline.push_to_hub` and `s2s-zoo push` write "
            "repositories that load."
        )
    if isinstance(error, errors.HfHubHTTPError):
        return _remedy_of_status(error.response)
    if isinstance(error, errors.LocalTokenNotFoundError):
        return f"nobody is logged in. {LOG_IN}."
    if isinstance(error, errors.HFValidationError):
        return "this is not the name of a repository. The form is hf://organization/name."
    if isinstance(error, errors.HTTPError):
        return (
            f"the connection to {constants.ENDPOINT} failed ({type(error).__name__}). What was "
            "complete is kept; check the network and run it again."
        )
    if isinstance(error, OSError) and error.errno is not None:
        return (
            f"{error.filename or constants.HF_HUB_CACHE} cannot be written: {error.strerror}. Make "
            "room, or set HF_HOME to a directory that can be written."
        )
    text = " ".join(str(error).split()).replace(get_token() or "\0", "***")
    return f"the Hub's client gave up: {text:.300}"


def _remedy_of_status(response):
    status = response.status_code
    if status == 401:
        return f"the token was refused (401). {LOG_IN} to a valid one."
    if status == 403:
        return "the token does not permit this (403). Use one with the right, or ask the owner."
    if status == 429:
        wait = response.headers.get("Retry-After", "")
        wait = f"{wait} seconds" if wait.isdecimal() else "some minutes"
        return f"too many requests (429). Wait {wait} and run it again."
    return f"the Hub answered {status}. Run it again later."
