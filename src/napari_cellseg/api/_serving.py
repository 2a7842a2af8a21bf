"""An engine for windows on other machines: whose tokens, which address, which folders. Nothing here prints."""

from __future__ import annotations

import getpass
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from ..engine.remote.server import Server
from ..engine.remote.session import Limits
from ..engine.remote.tokens import add_token, config_folder, read_tokens, server_file
from ..errors import CellsegError

HERE = ("127.0.0.1", "::1")
"""Addresses that nobody else on the network reaches."""


def new_token(name: str, tokens: str | Path | None = None) -> str:
    """Make a token for a person and keep it in a server's file (the usual one); it is told only now.

    Raises
    ------
    CellsegError
        When the name cannot be one, or has a token already.
    """
    return add_token(Path(tokens) if tokens else server_file(), name)


class EngineServer:
    """A server that listens, and serves until it is closed.

    Parameters
    ----------
    listen
        ``PORT`` of this machine alone, or ``HOST:PORT``.
    tokens
        A file of lines NAME TOKEN; the usual one, made with a token for whoever runs this where there is none.
    folder
        Of the scratch copies.
    maps
        ``THERE=HERE``: pictures that windows have in the first folder are read in the second.
    keep_s
        Seconds until a session without connection ends.
    forget_days
        Days until a scratch copy that nobody works with is deleted, when its owner opens another project.
    tell
        Gets lines for a log.

    Attributes
    ----------
    made
        Name and token that were made now, to be shown once; None where there were some.
    address, people, folder
        Where it listens, for whom, and where the scratch copies are.

    Raises
    ------
    CellsegError
        When a value cannot be, or the address cannot be had.
    """

    def __init__(
        self,
        listen: str,
        *,
        tokens: str | Path | None = None,
        folder: str | Path | None = None,
        maps: Iterable[str] = (),
        keep_s: float = 60.0,
        forget_days: float = 30.0,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        file = Path(tokens) if tokens else server_file()
        host, port = address(listen)
        pairs = tuple(_mapped(text) for text in maps)
        self.made: tuple[str, str] | None = None
        if not file.exists():
            name = re.sub(r"[^A-Za-z0-9_.-]", "_", getpass.getuser())
            self.made = name, add_token(file, name)
        self.folder = Path(folder) if folder else config_folder() / "engine-scratch"
        limits = Limits(keep_s, forget_days * 86400)
        self._server = Server(read_tokens(file), self.folder, pairs, limits, tell)
        self.people = tuple(self._server.tokens)
        self.address = self._server.bind(host, port)

    @property
    def open_to_others(self) -> bool:
        """Whether others on the network reach it."""
        return self.address[0] not in HERE

    def serve(self) -> None:
        """Serve until `close` is called from another thread, or an exception comes."""
        try:
            self._server.serve()
        finally:
            self.close()

    def close(self) -> None:
        """End all sessions."""
        self._server.close()


def address(text: str) -> tuple[str, int]:
    """``PORT`` of this machine alone, or ``HOST:PORT``.

    Raises
    ------
    CellsegError
        When it is neither.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise CellsegError(f"{text!r} is no address.", "Give PORT or HOST:PORT, for example 7700.")
    return host.strip("[]") or "127.0.0.1", int(port)


def _mapped(text: str) -> tuple[str, Path]:
    there, _, here = text.partition("=")
    if not there or not Path(here).is_dir():
        raise CellsegError(f"{text!r} maps nothing: {here or 'nothing'} is no folder.", "Give --map THERE=HERE.")
    return there.replace("\\", "/").rstrip("/") or "/", Path(here)
