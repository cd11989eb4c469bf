"""The figures of a report, as SVG documents that are the same for the same results."""

import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from multvae_tf.autoencoder import REPORTED_METRICS
from multvae_tf.schedules import BetaSchedule
from studies.comparison import Difference
from studies.results import SettingResults

_SVG: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "multvae_tf"}
_NO_METADATA: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_NUMBERS_OF_INTERACTIONS = (10, 50, 200)
_STEPS_DRAWN = 400


def _svg(figure: Figure) -> str:
    """The figure as an `svg` element, without the document type, which names an address.

    Coordinates of paths are cut to hundredths of a point, which makes the file smaller.
    """
    text = io.StringIO()
    with matplotlib.rc_context(_SVG):
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
    svg = text.getvalue()[text.getvalue().index("<svg") :]
    return re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path.group()), svg)


def _styles() -> Iterator[dict[str, Any]]:
    """Ten colours, and other dashes when they are used up."""
    pairs = itertools.product(("-", "--", ":", "-."), range(10))
    return itertools.cycle(
        {"linestyle": dash, "color": f"C{colour}", "linewidth": 1} for dash, colour in pairs
    )


def _panels(titles: Sequence[str], x_label: str, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(3.6 * len(titles), height), layout="constrained")
    panels = list(figure.subplots(1, len(titles), squeeze=False)[0])
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title)
        axes.set_xlabel(x_label)
        axes.grid(alpha=0.3)
    return figure, panels


def _legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=columns, fontsize=8)


def _height_for(num_settings: int, columns: int) -> float:
    return 3.2 + 0.17 * -(-num_settings // columns)


def validation_curves(settings: Sequence[SettingResults]) -> str:
    """Each metric on the validation users by epoch, the mean over the seeds, a line for each setting."""
    figure, panels = _panels(list(REPORTED_METRICS), "epoch", _height_for(len(settings), 5))
    for axes, metric in zip(panels, REPORTED_METRICS, strict=True):
        for results, style in zip(settings, _styles(), strict=False):
            curve = results.curve(f"val_{metric}")
            axes.plot(np.arange(1, len(curve) + 1), curve, label=results.setting.name, **style)
    _legend_below(figure, panels[0], 5)
    return _svg(figure)


def beta_curves(settings: Sequence[SettingResults]) -> str | None:
    """The beta of each setting by epoch, the mean over the seeds; None if no setting has one."""
    curves = {results.setting.name: results.curve("beta") for results in settings}
    if not any(map(len, curves.values())):
        return None
    figure, (axes,) = _panels(["beta"], "epoch", _height_for(len(settings), 3))
    figure.set_figwidth(6.5)
    for (name, curve), style in zip(curves.items(), _styles(), strict=False):
        if len(curve):
            axes.plot(np.arange(1, len(curve) + 1), curve, label=name, **style)
    _legend_below(figure, axes, 3)
    return _svg(figure)


def differences(by_name: Mapping[str, Difference], metric: str, base: str) -> str:
    """The difference of each setting to the base with its interval, first setting on top."""
    figure, (axes,) = _panels([f"{metric}: difference to {base}"], "difference", 1.2 + 0.28 * len(by_name))
    figure.set_figwidth(6.5)
    positions = np.arange(len(by_name))
    means, lows, highs = np.array([(d.mean, d.low, d.high) for d in by_name.values()]).T
    axes.errorbar(means, positions, xerr=(means - lows, highs - means), fmt="o", markersize=4, capsize=3)
    axes.axvline(0, color="grey", linewidth=1)
    axes.set_yticks(positions, list(by_name))
    axes.set_ylim(len(by_name) - 0.5, -0.5)
    return _svg(figure)


def schedules(by_name: Mapping[str, BetaSchedule], num_steps: int) -> str:
    """Beta by update for each schedule; one that depends on the user has a line for each of a few users."""
    figure, (axes,) = _panels(["beta"], "update", 4.0)
    figure.set_figwidth(6.5)
    steps = np.linspace(0, num_steps, _STEPS_DRAWN, dtype=np.int64)
    interactions = tf.constant(_NUMBERS_OF_INTERACTIONS, tf.float32)
    styles = _styles()
    for name, schedule in by_name.items():
        beta = np.array([schedule(tf.constant(step), interactions) for step in steps])
        lines = {name: beta} if beta.ndim == 1 else {
            f"{name}, |x| = {n}": column for n, column in zip(_NUMBERS_OF_INTERACTIONS, beta.T, strict=True)
        }  # fmt: skip
        for label, line in lines.items():
            axes.plot(steps, line, label=label, **next(styles))
    _legend_below(figure, axes, 2)
    return _svg(figure)
