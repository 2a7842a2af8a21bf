"""Work that goes part by part: in this process, in others of this machine, or on other machines."""

from __future__ import annotations

from ._block import Block
from ._here import Answer, Parts, WorkStopped
from ._schedulers import scheduler
from ._spread import Scheduler, Spread, array_at

__all__ = ["Answer", "Block", "Parts", "Scheduler", "Spread", "WorkStopped", "array_at", "scheduler"]
