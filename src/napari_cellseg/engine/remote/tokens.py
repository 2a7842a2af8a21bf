"""Who may use a server: one token per person, in a file that only its owner can read. Tokens never travel.

Both sides prove that they know the token by signing what the other side made up for this connection (HMAC-SHA256).
"""

from __future__ import annotations

import getpass
import hmac
import os
import re
import secrets
import sys
from pathlib import Path

from ...errors import CellsegError
from ...files import whole

SHORTEST = 16
"""Characters of a token at least."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


def config_folder() -> Path:
    """Where settings of the person are kept, or where ``CELLSEG_CONFIG`` says."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(os.environ.get("CELLSEG_CONFIG") or Path(home) / "napari-cellseg")


def server_file() -> Path:
    """Where a server looks for the tokens of its people where no file is named."""
    return config_folder() / "engine-tokens"


def client_file() -> Path:
    """Where a window looks for its token where no file is named."""
    return config_folder() / "engine-token"


def read_tokens(path: Path) -> dict[str, str]:
    """Tokens by the names of their people: lines ``NAME TOKEN``, or one line ``TOKEN``.

    Raises
    ------
    CellsegError
        When the file is missing, others may read it, or it holds no such lines.
    """
    _check_private(path)
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    pairs = [(words if len(words) == 2 else [getpass.getuser(), *words]) for words in lines if words[0][0] != "#"]
    if not pairs or any(len(p) != 2 or len(p[1]) < SHORTEST or not _NAME.fullmatch(p[0]) for p in pairs):
        raise CellsegError(
            f"{path} does not hold lines NAME TOKEN, with tokens of {SHORTEST} characters and more.",
            "Make a token with: napari-cellseg engine --add NAME",
        )
    if len({name for name, _ in pairs}) < len(pairs):
        raise CellsegError(f"{path} has two tokens for one name.", "Take one of the lines out.")
    return dict(map(tuple, pairs))  # type: ignore[arg-type]


def read_token(path: Path) -> str:
    """The one token of a window's file.

    Raises
    ------
    CellsegError
        As `read_tokens`, or when there are several.
    """
    found = read_tokens(path)
    if len(found) > 1:
        raise CellsegError(
            f"{path} holds {len(found)} tokens.", "A window's file holds its own token and nothing else."
        )
    return next(iter(found.values()))


def add_token(path: Path, name: str) -> str:
    """Make a token for a person and write it into a server's file; returns it, to be shown once.

    Raises
    ------
    CellsegError
        When the name cannot be that of a folder, or has a token already.
    """
    if not _NAME.fullmatch(name):
        raise CellsegError(f"{name!r} cannot be a name.", "Use up to 40 letters, digits, dots, - and _.")
    known = read_tokens(path) if path.exists() else {}
    if name in known:
        raise CellsegError(f"{name} has a token already.", f"Take the line out of {path} for a new one.")
    token = secrets.token_urlsafe(24)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(file, "a", encoding="utf-8") as out:
        out.write(f"{name} {token}\n")
    return token


def keep_token(path: Path, token: str) -> None:
    """Write a window's token, so that only its owner can read it.

    Raises
    ------
    CellsegError
        When it is none, or cannot be written.
    """
    if len(token) < SHORTEST or len(token.split()) != 1:
        raise CellsegError("That is no token.", "Paste the line of letters and digits that the server has shown.")
    with whole(path) as part:
        part.touch(0o600)
        part.write_text(f"{token}\n", encoding="utf-8")


def proof(token: str, side: str, *nonces: str) -> str:
    """What a side that knows the token says of both nonces."""
    return hmac.new(token.encode(), "\n".join((side, *nonces)).encode(), "sha256").hexdigest()


def owner(tokens: dict[str, str], given: str, side: str, *nonces: str) -> str | None:
    """Whose token made a proof; every token is tried, in a time that does not tell which."""
    found = None
    for name, token in tokens.items():
        if hmac.compare_digest(proof(token, side, *nonces).encode(), given.encode("utf-8", "replace")):
            found = name
    return found


def _check_private(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise CellsegError(
            f"There is no token at {path}.",
            "The server makes one at its first start (or with --add NAME) and shows it once; put it there, chmod 600.",
        ) from error
    if sys.platform != "win32" and mode & 0o077:
        raise CellsegError(f"Others may read {path}.", f"Keep it to yourself: chmod 600 {path}")
