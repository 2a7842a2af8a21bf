"""The verbs of a project that measure: objects, plates, growth, the cell cycle, the data set, which images to label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..measurement import CellRules, Choosing
from ._cell_objects import Together
from ._cells import CellMaking, CellsFound, cells_of_project
from ._class_verbs import ClassVerbs
from ._describe import Describing, Description, describe_project
from ._fucci import FucciResult, Telling, fucci_project, merged_setup
from ._fucci_said import say, say_all
from ._learn import names
from ._measure import Measuring, measure_project
from ._plates import Plating
from ._results import Measurements
from ._select import BASE, By, Selecting, Selection, select_of_project
from ._work import OnEvent, Stop, Work, method, never

Several = str | Sequence[str] | None


class MeasuringVerbs(ClassVerbs):
    """What an open project measures; nothing of its labels is changed."""

    @method
    def measure(
        self,
        images: Several = None,
        *,
        columns: Several = None,
        group_by: str = "",
        csv: str | Path | None = None,
        summary: str | Path | None = None,
        boxes: str | Path | None = None,
        plating: Plating | None = None,
        scheduler: str = "",
        scheduler_options: Mapping[str, Any] | None = None,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Measurements]:
        """Measure the objects of images; in a project of classes, their connected regions.

        Parameters
        ----------
        images : str or list of str
            Ids; all images where not given.
        columns : str or list of str
            Names of columns or of groups (``"size"``, ``"shape"``, ``"place"``, ``"neighbours"``, ``"intensity"``,
            ``"state"``); all of them where none is named. See the page Measuring.
        group_by : str
            A regular expression: its first bracket (or all that matches) in the name of an image is its group.
        csv, summary : str or Path
            Files to write, ``.csv`` or ``.parquet``: the objects; images and groups.
        boxes : str or Path
            A picture to write: box plots of the groups (of the images where there is one group), a panel for each of
            the columns that are named, or for sizes, shapes and intensities.
        plating : Plating
            Maps of plates by the wells in names, and growth over time: which files, and where wells and times stand.
        scheduler : str
            Who measures, several images at a time: ``"processes:N"``, ``"local:N"``, an address, ``"slurm"``,
            ``"jobs:N"`` (`napari_cellseg.parts.scheduler`); "" for this process. The tables are the same. A script that
            starts processes guards what it does with ``if __name__ == "__main__":``.
        scheduler_options : dict
            Of the batch system: ``{"timeout_min": 60, "slurm_partition": "gpu"}``.
        on_event, stop : callable
            Called with every event; asked again and again whether to end.

        Returns
        -------
        Measurements
            An image that cannot be measured is left out, with the reason; the others are done.

        Raises
        ------
        CellsegError
            Before anything is written: when there is no such image or column, or a file cannot be written.
        """
        how = Measuring(
            names(columns), group_by, csv, summary, boxes, plating or Plating(), scheduler, scheduler_options or {}
        )
        return measure_project(self.project, self._named(images), how, stop)

    @method
    def fucci(
        self,
        images: Several = None,
        *,
        red: str | None = None,
        green: str | None = None,
        nuclear: str | None = None,
        red_threshold: float | None = None,
        green_threshold: float | None = None,
        propose: bool = False,
        corrections: str | Path | None = None,
        group_by: str = "",
        time_by: str = "",
        csv: str | Path | None = None,
        summary: str | Path | None = None,
        figure: str | Path | None = None,
        json: str | Path | None = None,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[FucciResult]:
        """States of the cell cycle of the nuclei by FUCCI: counts and shares of images, time points and groups.

        Channels and thresholds that are given are kept in the project, for the next time and for the docks.

        Parameters
        ----------
        images : str or list of str
            Ids; all images where not given. Thresholds are those of the experiment: give all of it.
        red, green, nuclear : str
            Channels by name or number from 1: Cdt1, Geminin, and a stain of all nuclei where there is one.
        red_threshold, green_threshold : float
            Mean intensities above which a nucleus is red or green; else those that are kept, else they are proposed
            from all nuclei.
        propose : bool
            Forget thresholds that are kept.
        corrections : str or Path
            A table with ``image``, ``label`` and ``state``: states that a person says, kept from now on.
        group_by, time_by : str
            Regular expressions: the first bracket (or all that matches) in the name of an image is its group, and its
            time point (a number). Without the second, numbers after t, time, frame, day or hour are time points.
        csv, summary, figure, json : str or Path
            Files to write: nuclei; images, time points and groups (``.csv``, ``.parquet``); a picture (``.png``,
            ``.svg``, ``.pdf``); the summary and the thresholds as plain numbers.
        on_event, stop : callable
            Called with every event; asked again and again whether to end.

        Returns
        -------
        FucciResult

        Raises
        ------
        CellsegError
            When channels, thresholds or expressions cannot be used, or there are no nuclei.
        """
        given = {
            "red": red, "green": green, "nuclear": nuclear, "red_threshold": red_threshold,
            "green_threshold": green_threshold,
        }  # fmt: skip
        setup = merged_setup(self.project, given, propose=propose)
        if corrections is not None:
            say_all(self.project, corrections)
        how = Telling(group_by, time_by, csv, summary, figure, json)
        return fucci_project(self.project, self._named(images), setup, how, stop)

    @method
    def cells(
        self,
        images: Several = None,
        *,
        nucleus: str = "",
        envelope: str = "",
        rules: CellRules | None = None,
        together: Mapping[str, Together] | None = None,
        csv: str | Path | None = None,
        out: str | Path | None = None,
        format: str = "tif",
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[CellsFound]:
        """Make cells as objects out of classes: connected nuclei count them, every pixel of a cell goes to one.

        Parameters
        ----------
        images : str or list of str
            Ids; all images where not given.
        nucleus, envelope : str
            The classes of nuclei and of their envelopes; every other class but ``background`` is the rest of a cell.
            The project keeps them (at first ``nucleus`` and ``envelope``), and whatever needs cells goes by them.
        rules : CellRules
            Smallest parts, gaps between slices, and how borders are drawn (`measurement.CellRules`).
        together : dict of lists
            By image: for each cell, places in parts of its nucleus that are not connected.
        csv : str or Path
            Write the table of cells.
        out, format : str or Path, str
            Write masks ``ID_cells``, ``ID_nuclei`` and ``ID_envelopes`` into this folder; their numbers are the same.
        on_event, stop : callable
            Called with every event; asked before every image whether to end.

        Returns
        -------
        CellsFound

        Raises
        ------
        CellsegError
            When the project has objects, a name does not fit, or a file cannot be written.
        """
        how = CellMaking(nucleus, envelope, rules or CellRules(), together, csv, out, format)
        return (yield from cells_of_project(self.project, self._named(images), how, stop))

    @method
    def describe(
        self,
        images: Several = None,
        *,
        group_by: str = "",
        csv: str | Path | None = None,
        json: str | Path | None = None,
        markdown: str | Path | None = None,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Description]:
        """Describe the data set: sizes, contrast, intensities; objects as they are labelled now.

        Parameters
        ----------
        images : str or list of str
            Ids; all images where not given.
        group_by, csv, json, markdown, on_event, stop
            As for `napari_cellseg.describe`.

        Returns
        -------
        Description
            An image without any label has no figures of objects.

        Raises
        ------
        CellsegError
            When there is no such image, the expression cannot be used, or a file cannot be written.
        """
        return describe_project(self.project, self._named(images), Describing(group_by, csv, json, markdown), stop)

    @method
    def select(
        self,
        images: Several = None,
        n: int = 10,
        *,
        steps: int = 0,
        span: tuple[float, float] | None = None,
        sharpness: float | None = None,
        debris: float | None = None,
        by: By = "auto",
        model: str | Path | None = None,
        group_by: str = "",
        csv: str | Path | None = None,
        list: str | Path | None = None,
        figure: str | Path | None = None,
        on_event: OnEvent = None,
        stop: Stop = never,
    ) -> Work[Selection]:
        """Choose images to label: at equal steps of confluency, sharp, without debris, each with the reason.

        Nothing is written into the project: predictions that tell confluency are thrown away.

        Parameters
        ----------
        images : str or list of str
            Ids; all images where not given.
        model : str or Path
            What predicts images without labels; the project's current model, or the base model, where not given.
        n, steps, span, sharpness, debris, by, group_by, csv, list, figure, on_event, stop
            As for `napari_cellseg.select`.

        Returns
        -------
        Selection

        Raises
        ------
        CellsegError
            When something given does not fit, or no image can be used.
        """
        choosing = Choosing(n, steps, span, debris, sharpness)
        current = self.project.current_model
        own = self.project.model_path(current) if current else BASE
        how = Selecting(choosing, by, model or own, group_by, csv, list, figure)
        return select_of_project(self.project, self._named(images), how, stop)

    def set_fucci_states(self, image: str, states: Mapping[int, str]) -> None:
        """Say the states of nuclei by their labels; they stand over the thresholds, "" goes by these again.

        A nucleus is remembered by a pixel inside it, so what is said outlives new numbers of objects.

        Raises
        ------
        CellsegError
            When there is no such image, object or state; nothing is kept then.
        """
        say(self.project, image, states)
