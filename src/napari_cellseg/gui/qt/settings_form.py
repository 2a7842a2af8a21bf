"""A form for any settings class, made from its fields; magicgui makes the widgets, ranges come from the schema."""

from __future__ import annotations

import math
from typing import Any, Literal, cast, get_args, get_origin

from magicgui.widgets import create_widget
from magicgui.widgets.bases import ValueWidget
from pydantic.fields import FieldInfo
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from ...settings import Settings, validated


class SettingsForm(QWidget):
    """Shows the plain fields of a settings value; speaks `value`, `setValue`, `valueChanged` in settings.

    Parameters
    ----------
    value
        What to show.
    fields
        Names of the fields to show, all plain ones if not given.
    """

    valueChanged = Signal(object)

    def __init__(self, value: Settings, fields: tuple[str, ...] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value = value
        self._widgets: dict[str, ValueWidget[Any]] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        known = type(value).model_fields
        for name in fields or known:
            info = known[name]
            if name == "kind":
                continue
            widget = widget_for(info, getattr(value, name))
            if widget is None:
                continue
            self._widgets[name] = widget
            if hasattr(widget.native, "setKeyboardTracking"):
                widget.native.setKeyboardTracking(False)  # a number counts when it is written, not digit by digit
            widget.changed.connect(self._edited)
            widget.native.setToolTip(info.description or "")
            label = QLabel(name.replace("_", " ").capitalize())
            label.setToolTip(info.description or "")
            layout.addRow(label, widget.native)

    def value(self) -> Settings:
        """The settings as the form shows them."""
        shown = {name: self._rounded(name, widget.value) for name, widget in self._widgets.items()}
        return validated(type(self._value), {**self._value.model_dump(mode="json"), **shown})

    def names(self) -> tuple[str, ...]:
        """The fields that are shown."""
        return tuple(self._widgets)

    def setValue(self, value: Settings) -> None:
        """Show other settings of the same class, without telling."""
        self._value = value
        for name, widget in self._widgets.items():
            if widget.value != getattr(value, name):
                with widget.changed.blocked():
                    show_exactly(widget, getattr(value, name))

    def _rounded(self, name: str, value: Any) -> Any:
        """The nearest multiple where a field asks for one."""
        step = _multiple(type(self._value).model_fields[name])
        return round(value / step) * step if step > 1 else value

    def _edited(self, _: Any = None) -> None:
        value = self.value()
        self.setValue(value)
        self.valueChanged.emit(value)


def widget_for(info: FieldInfo, value: Any) -> ValueWidget[Any] | None:
    """A widget that can show every value the field allows, exactly; None for nested settings."""
    if get_origin(info.annotation) is Literal:
        return _made(value=value, options={"choices": list(get_args(info.annotation))}, widget_type="ComboBox")
    if isinstance(value, bool):
        return _made(value=value, annotation=bool)
    if isinstance(value, int | float):
        low, high = limits(info)
        options: dict[str, Any] = {"min": low, "max": high}
        if isinstance(value, int):
            options |= {"min": int(low), "max": int(high), "step": _multiple(info)}
            return _made(value=value, annotation=int, options=options)
        options["step"] = _step(value)
        widget = _made(value=value, annotation=float, options=options)
        show_exactly(widget, value)
        return widget
    if isinstance(value, str):
        return _made(value=value, annotation=str)
    return None


def _made(**arguments: Any) -> ValueWidget[Any]:
    widget: Any = create_widget(**arguments)
    return cast("ValueWidget[Any]", widget)


def limits(info: FieldInfo) -> tuple[float, float]:
    """The range of a field, from its constraints; open ends are nudged by a millionth of the range."""
    low, high = -1e9, 1e9
    for rule in info.metadata:
        low = getattr(rule, "ge", low)
        high = getattr(rule, "le", high)
        if getattr(rule, "gt", None) is not None:
            low = rule.gt + 1e-6
        if getattr(rule, "lt", None) is not None:
            high = rule.lt - 1e-6
    return low, high


def _multiple(info: FieldInfo) -> int:
    return int(next((r.multiple_of for r in info.metadata if getattr(r, "multiple_of", None)), 1))


def _step(value: float) -> float:
    """One unit of the leading digit, a tenth of it above 1."""
    return float(10.0 ** math.floor(math.log10(abs(value)))) / (10 if abs(value) >= 10 else 1) if value else 0.1


def show_exactly(widget: ValueWidget[Any], value: Any) -> None:
    """Set a value; a spin box first gets the digits to show it, since Qt rounds to what it shows."""
    if isinstance(value, float):
        digits = len(f"{value:.10f}".rstrip("0").partition(".")[2])
        widget.native.setDecimals(max(2, digits, -math.floor(math.log10(_step(value)))))
    widget.value = value
