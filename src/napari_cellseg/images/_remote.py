"""OME-Zarr at an address: http, https, s3, read part by part through fsspec (extra ``remote``).

An address travels as a `Path` like that of any other picture: ``https:/host/image.zarr``, whose first part is the
scheme. Nothing is asked of it but keys of zarr, so no listing is needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CellsegError
from ._guard import reading

if TYPE_CHECKING:
    from zarr.storage import FsspecStore

_SCHEME = re.compile(r"^(https?|s3):/+(?=.)")
INSTALL = 'Install what reads addresses: pip install "napari-cellseg[remote]"'
_ANSWER_S, _PART_S = 15, 60
"""Seconds until an address must answer, and until the next bytes of a part must come."""


def is_remote(path: str | Path) -> bool:
    """Whether a path is an address on the network."""
    return bool(_SCHEME.match(Path(path).as_posix()))


def address(path: str | Path) -> str:
    """An address as the network knows it, with both slashes."""
    text = Path(path).as_posix()
    return _SCHEME.sub(lambda found: f"{found[1]}://", text)


def absolute(path: str | Path) -> Path:
    """A path that is true from everywhere; an address is that already."""
    return Path(path) if is_remote(path) else Path(path).resolve()


def remote_store(path: Path) -> FsspecStore:
    """What zarr reads at an address.

    Raises
    ------
    CellsegError
        When the packages that it takes are not there; the hint installs them.
    """
    where = address(path)
    scheme = where.partition(":")[0]
    try:
        from zarr.storage import FsspecStore

        return FsspecStore.from_url(where, storage_options=_options(scheme), read_only=True)
    except ImportError as error:
        raise CellsegError(f"{where} cannot be read: {' '.join(str(error).split())}.", INSTALL) from error


@contextmanager
def answering(path: Path) -> Iterator[None]:
    """Around the first look at an address.

    Raises
    ------
    CellsegError
        When it does not answer, or holds no OME-Zarr.
    """
    where = address(path)
    hint = "Check the address, the connection, and whether it asks for a password."
    with reading(where, hint, "does not answer"):  # each protocol has errors of its own (aiohttp, botocore)
        try:
            yield
        except FileNotFoundError as error:
            raise CellsegError(
                f"There is no OME-Zarr at {where}.",
                "Check the address: it is that of the folder with .zattrs or zarr.json. Files of other formats are "
                "downloaded first.",
            ) from error


def _options(scheme: str) -> dict[str, Any]:
    if scheme in ("http", "https"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_ANSWER_S, sock_read=_PART_S)
        return {"client_kwargs": {"timeout": timeout}}
    if scheme == "s3":  # most public images are read without a name
        known = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
        return {"anon": not any(os.environ.get(name) for name in known)}
    return {}
