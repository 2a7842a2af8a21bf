"""The subcommand that lets windows on other machines compute here."""

from __future__ import annotations

import signal
from argparse import Namespace

from ._opened import DONE


def engine(options: Namespace) -> int:
    """Listen until the process is ended, or make a token."""
    from ..api import EngineServer, new_token

    if options.add:
        _show_once(options.add, new_token(options.add, options.tokens))
        return DONE
    server = EngineServer(
        options.listen, tokens=options.tokens, folder=options.folder, maps=options.maps, keep_s=float(options.keep),
        forget_days=float(options.forget),        tell=lambda line: print(line, flush=True),
    )  # fmt: skip
    if server.made is not None:
        _show_once(*server.made)
    if server.open_to_others:
        print("Others on the network can reach this port, and what is sent can be read on the way: an SSH tunnel to")
        print("the port of this machine alone (--listen PORT) is safer.")
    host, port = server.address
    print(f"Listening on {host}:{port}, for {', '.join(server.people)}; scratch copies in {server.folder}.", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server.serve()
    return DONE


def _show_once(name: str, token: str) -> None:
    print(f"A token for {name}, which is shown only now:\n\n    {token}\n")
    print("Where the window runs, put it into a file that only its owner can read:")
    print("    ~/.config/napari-cellseg/engine-token    (chmod 600)\n", flush=True)
