"""Standard output that takes every text, whatever the locale says."""

import sys


def write_utf8() -> None:
    """Makes standard output UTF-8; what that has no bytes for, of odd file names, is escaped."""
    if hasattr(sys.stdout, "reconfigure"):  # not where something stands in its place
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
