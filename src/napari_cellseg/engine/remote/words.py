"""What bridge and server say to each other, beside jobs and events."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from .._frames import Limits
from .._messages import DOWN, UP

VERSION = version("napari-cellseg")
PIECE = 1 << 16
"""Files are compared and sent in pieces of so many bytes; a page that changes in a database costs one."""
DIGEST = 16
"""Bytes of the checksum (BLAKE2b) of a piece."""
MOST = 4 << 20
"""Bytes of pieces in one message at most, so that other messages come through between them."""
FIRST = Limits(4096, 0)
"""What a frame may have before both sides know each other."""
FROM_CLIENT, FROM_SERVER = Limits(body=64 << 20), Limits(body=1 << 30)
SILENCE_S = 15.0
"""A connection on which nothing was heard for so long is given up; both sides speak every second."""


@dataclass(frozen=True)
class Challenge:
    """The first word of a server: its version, and what the other side must sign."""

    version: str
    nonce: str


@dataclass(frozen=True)
class Login:
    """The first word of a bridge.

    Attributes
    ----------
    proof
        See `tokens.proof`.
    session, heard
        The session that it had, "" for a new one, and how many messages of it were heard.
    device
        Where the child computes: "auto" or "cpu".
    window
        A name that no other window has.
    """

    version: str
    nonce: str
    proof: str
    session: str
    heard: int
    device: str
    window: str


@dataclass(frozen=True)
class Welcome:
    """The server's proof, who the token belongs to, the session (the old one where it still is), messages heard."""

    proof: str
    user: str
    session: str
    heard: int


@dataclass(frozen=True)
class Refused:
    """Why there is no session."""

    message: str
    hint: str


@dataclass(frozen=True)
class Alive:
    """Said every second: how many messages were heard. It is not counted itself."""

    heard: int


@dataclass(frozen=True)
class Bye:
    """The window was closed: the session ends."""


@dataclass(frozen=True)
class Open:
    """A project is used: its name in the scratch folder, and the folder that it lies in where the window is."""

    project: str
    home: str


@dataclass(frozen=True)
class Opened:
    """What was made there and never fetched: paths in the project's folder."""

    waiting: tuple[str, ...]


@dataclass(frozen=True)
class Offer:
    """All files of a tree as they are now; what else lies there goes.

    Attributes
    ----------
    tree
        A file or folder of the scratch copy: ``models/v1``, ``project.db``, ``pictures/...``.
    names, sizes
        Of its files, relative to the tree; "" where it is one file.
    digests
        (N, `DIGEST`) of all pieces of all files, one after another; empty where the sender knows what is lacking.
    """

    tree: str
    names: tuple[str, ...]
    sizes: NDArray[np.int64]
    digests: NDArray[np.uint8]


@dataclass(frozen=True)
class Lacking:
    """Which pieces of an offer with digests are not there, counted through all files."""

    tree: str
    pieces: NDArray[np.int64]


@dataclass(frozen=True)
class Put:
    """Pieces of one file, one after another in `data`."""

    tree: str
    name: str
    pieces: NDArray[np.int64]
    data: NDArray[np.uint8]


@dataclass(frozen=True)
class Pictures:
    """These pictures, as the project's records name them, are there and up to date."""

    sources: tuple[str, ...]


@dataclass(frozen=True)
class NoPicture:
    """A picture that was asked for cannot be read where the window is, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Fetch:
    """Send a file or folder of the scratch copy."""

    path: str


@dataclass(frozen=True)
class Part:
    """Some of a file of what was asked for."""

    name: str
    offset: int
    data: NDArray[np.uint8]


@dataclass(frozen=True)
class Fetched:
    """All of it was sent: so many files (0 where there is none), or why not."""

    path: str
    files: int
    problem: str


@dataclass(frozen=True)
class Taken:
    """What was fetched is in the project now."""

    path: str


HANDSHAKE = (Challenge, Login, Welcome, Refused)
TO_SERVER = (Alive, Bye, Open, Offer, Put, Pictures, NoPicture, Fetch, Taken, *DOWN)
TO_CLIENT = (Alive, Opened, Lacking, Part, Fetched, *UP)
