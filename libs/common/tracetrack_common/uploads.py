"""Files that people send, in the folder that gateways and workers share (docs/imports.md, Where the files are).

An upload is named by its digest, so that the same file sent twice is there once.
"""

from pathlib import Path


def folder_of(files: Path) -> Path:
    """Give the folder of uploads in the folder of files."""
    return files / "uploads"


def path_of(files: Path, sha256: str) -> Path:
    """Give where the upload of this digest is."""
    return folder_of(files) / sha256
