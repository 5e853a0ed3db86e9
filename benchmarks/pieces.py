"""Files in pieces of at most so many bytes, for where larger ones cannot be fetched."""

import hashlib
import json

LIST = "pieces.json"


def split(folder, most):
    """Puts every larger file of a folder into pieces of `most` bytes, and lists them there.

    Args:
        folder: Path.
        most: int, bytes.

    Returns:
        The number of files that were put into pieces.
    """
    large = [x for x in sorted(folder.rglob("*")) if x.is_file() and x.stat().st_size > most]
    files = {}
    for path in large:
        name, digest = path.relative_to(folder).as_posix(), hashlib.sha256()
        pieces = []
        with path.open("rb") as file:
            while piece := file.read(most):
                digest.update(piece)
                pieces.append(f"{name}.piece-{len(pieces):03d}")
                (folder / pieces[-1]).write_bytes(piece)
        files[name] = {"sha256": digest.hexdigest(), "pieces": pieces}
        path.unlink()
    if files:
        (folder / LIST).write_text(json.dumps(files, indent=2) + "\n", encoding="utf-8")
    return len(files)


def join(folder):
    """Makes the files again that `split` put into pieces; nothing where there are none.

    Raises:
        SystemExit: naming the file whose pieces are not those that were written.
    """
    listed = folder / LIST
    if not listed.exists():
        return
    for name, file in json.loads(listed.read_text(encoding="utf-8")).items():
        path = folder / name
        missing = [x for x in file["pieces"] if not (folder / x).exists()]
        if missing:
            raise SystemExit(f"{folder} lacks {missing[0]}: fetch all the pieces, then join.")
        data = b"".join((folder / x).read_bytes() for x in file["pieces"])
        if hashlib.sha256(data).hexdigest() != file["sha256"]:
            raise SystemExit(f"The pieces of {path} are not what was written: fetch them anew.")
        path.write_bytes(data)
        for piece in file["pieces"]:
            (folder / piece).unlink()
    listed.unlink()
