"""The subcommand that lets windows on other machines compute here."""

from __future__ import annotations

import getpass
import re
import signal
from argparse import Namespace
from pathlib import Path

from ..errors import CellsegError
from ._opened import DONE


def engine(options: Namespace) -> int:
    """Listen until the process is ended, or make a token."""
    from ..engine.remote.server import Server
    from ..engine.remote.tokens import add_token, config_folder, read_tokens, server_file

    tokens = Path(options.tokens) if options.tokens else server_file()
    if options.add:
        _show_once(options.add, add_token(tokens, options.add))
        return DONE
    host, port = address(options.listen)
    maps = tuple(_mapped(text) for text in options.maps)
    if not tokens.exists():
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", getpass.getuser())
        _show_once(name, add_token(tokens, name))
    folder = Path(options.folder) if options.folder else config_folder() / "engine-scratch"
    server = Server(read_tokens(tokens), folder, maps, float(options.keep), lambda line: print(line, flush=True))
    there, taken = server.bind(host, port)
    if there not in ("127.0.0.1", "::1"):
        print("Others on the network can reach this port, and what is sent can be read on the way: an SSH tunnel to")
        print("the port of this machine alone (--listen PORT) is safer.")
    print(f"Listening on {there}:{taken}, for {', '.join(server.tokens)}; scratch copies in {folder}.", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.serve()
    finally:
        server.close()
    return DONE


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


def _show_once(name: str, token: str) -> None:
    print(f"A token for {name}, which is shown only now:\n\n    {token}\n")
    print("Where the window runs, put it into a file that only its owner can read:")
    print("    ~/.config/napari-cellseg/engine-token    (chmod 600)\n", flush=True)
