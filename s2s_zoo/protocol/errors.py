"""Errors a user can cause with files and names; everything else is a plain ValueError."""


class S2SZooError(ValueError):
    """Base of the package's own errors: one line that says what to do."""


class CheckpointError(S2SZooError):
    """A checkpoint is unknown, incomplete, altered or does not fit its configuration."""


class DataError(S2SZooError):
    """A data file or a text cannot be used; the message names the file and the line."""


class DistributionError(S2SZooError):
    """The devices or processes asked for are not there, or would not do the same work."""


class TextWarning(UserWarning):
    """A generated text deserves a second look: see docs/documents.md."""


def is_failure(error: BaseException) -> bool:
    """Whether work has failed, and not been told to stop: a panic of native code is a failure too.

    Extensions written in Rust raise PanicException, which is no Exception.
    """
    return not isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
