"""The subcommands round images: what was typed -> a verb of the Python face -> words on the screen."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .. import api
from ..events import CleanedUp, DraftWritten, Event, Exported
from ._opened import DONE, opened, status, tell_left_out
from ._progress import Printer


def new(options: Namespace) -> int:
    """Make a project that begins with a model."""
    with api.new(options.project, options.task, options.classes, options.model) as project:
        model = project.current_model
        print(f"Made {project.path}" + (f", which begins with the model {model}." if model else "."))
    return DONE


def add(options: Namespace) -> int:
    """Add pictures, or say where one is now."""
    with opened(options.project) as project:
        if options.relocate:
            project.relocate(options.relocate, options.images[0])
            print(f"{options.relocate} is now read from {options.images[0]}.")
            return DONE
        done = project.add(
            options.images, options.labels, draft=options.draft, clean=options.clean, axes=options.axes,
            spacing=options.spacing, series=options.series, split=options.split, components=options.components,
            threshold=options.threshold, time_series=options.time_series, interval=options.interval,
        )  # fmt: skip
    for note in done.notes:
        print(note)
    for picture in done.pictures:
        print(_added(picture))
        if picture.labels_inside:
            print(f"  It holds label images, which --labels takes: {', '.join(picture.labels_inside)}")
    return DONE


def _added(done: api.AddedPicture) -> str:
    many = len(done.ids) > 1 and done.time_series
    names = f"time series {done.time_series}, {len(done.ids)} frames" if many else ", ".join(done.ids)
    labels = f"{'drafted' if done.draft else 'approved'} labels"
    if not done.known:
        return f"Added {names} with {labels}." if done.labelled else f"Added {names}."
    end = f"it has {labels} now" if done.labelled else "nothing was changed"
    return f"{done.source.name} is in the project already, as {names}; {end}."


def draft(options: Namespace) -> int:
    """Draft the images that have no labels, or the given ones."""
    from ..drafts import ADVICE

    with opened(options.project) as project:
        noun = "objects" if project.project.task == "instance" else "classes"

        def show(event: Event) -> None:
            tell_left_out(event)
            if isinstance(event, DraftWritten):
                doubt = f"; doubtful: {event.doubt}." if event.doubt else "."
                print(f"{event.image}: {event.objects} {noun}{doubt}")

        done = project.draft(
            options.image, options.method, settings=options.values, hints=options.hints, on_event=show
        )  # fmt: skip
        if not (done.objects or done.left_out):
            print(f"Every image of {project.project.name} has labels: say which to draft with --image ID.")
        if done.doubts:
            print(ADVICE)
    return status(done.left_out)


def clean(options: Namespace) -> int:
    """Clean up what nobody has touched."""

    def show(event: Event) -> None:
        tell_left_out(event)
        if isinstance(event, CleanedUp):
            print(f"{event.image}: {event.before} untouched objects, {event.after} after the clean-up.")

    with opened(options.project) as project:
        done = project.clean(options.image, settings=options.values, on_event=show)
    return status(done.left_out)


def export(options: Namespace) -> int:
    """Write labels."""

    def show(event: Event) -> None:
        tell_left_out(event)
        if isinstance(event, Exported):
            print(event.path)

    with opened(options.project) as project:
        done = project.export(
            options.out,
            options.format,
            images=options.image,
            known_only=options.known_only,
            cycle=options.cycle,
            inside=options.inside,
            replace=options.replace,
            on_event=show,
        )
    return status(done.left_out)


def report(options: Namespace) -> int:
    """Write the report."""
    with Printer(options.events) as printer:

        def show(event: Event) -> None:
            if not isinstance(event, Exported):
                printer.show(event)

        with opened(options.project) as project:
            done = project.report(
                options.out, cases=options.cases, as_numbers=options.json, on_event=show, stop=printer.stopped
            )
    for file in done.files:
        print(file)
    return status((), stopped=printer.stopped())


def gui(options: Namespace) -> int:
    """Open napari."""
    from ..gui import launch

    token = Path(options.token) if options.token else None
    launch(Path(options.project) if options.project else None, options.engine, token)
    return DONE
