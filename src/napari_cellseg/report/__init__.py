"""What goes into a report: curves of rounds, labels before and after, strips of errors, tables as files."""

from __future__ import annotations

from ._figures import plot_before_after, plot_curve, plot_strips
from ._tables import markdown, write_csv

__all__ = ["markdown", "plot_before_after", "plot_curve", "plot_strips", "write_csv"]
