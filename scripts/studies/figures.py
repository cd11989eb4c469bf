"""The pictures of a report, drawn by matplotlib.

Names are drawn with `parse_math=False`: a dollar sign in the name of a setting does not begin a formula.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from multvae_tf.ranking import REPORTED_METRICS
from studies.comparison import Difference
from studies.results import SettingResults

_COLUMNS_OF_A_WIDE_LEGEND = 5
_COLUMNS_OF_A_NARROW_LEGEND = 3


def _styles() -> Iterator[dict[str, Any]]:
    """Ten colours, and other dashes when they are used up."""
    pairs = itertools.product(("-", "--", ":", "-."), range(10))
    return itertools.cycle(
        {"linestyle": dash, "color": f"C{colour}", "linewidth": 1.2} for dash, colour in pairs
    )


def _panels(titles: Sequence[str], x_label: str, y_label: str, size: tuple[float, float]) -> list[Axes]:
    """Panels side by side in one figure of this size in inches."""
    figure = Figure(figsize=size, layout="constrained")
    panels = list(figure.subplots(1, len(titles), squeeze=False)[0])
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, parse_math=False)
        axes.set_xlabel(x_label)
        axes.xaxis.get_major_locator().set_params(integer=x_label == "epoch")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(y_label)
    return panels


def _figure_with_legend(panels: Sequence[Axes], columns: int) -> Figure:
    """The panels' figure, with the names of the first panel's lines below."""
    figure = panels[0].get_figure()
    assert isinstance(figure, Figure)
    handles, labels = panels[0].get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _height(num_lines: int, columns: int) -> float:
    """Inches that the panels and a legend of so many lines take."""
    return 3.2 + 0.17 * -(-num_lines // columns)


def validation_curves(settings: Sequence[SettingResults]) -> Figure:
    """Each metric on the validation users by epoch, the mean over the seeds, a line for each setting."""
    size = (3.6 * len(REPORTED_METRICS), _height(len(settings), _COLUMNS_OF_A_WIDE_LEGEND))
    panels = _panels(list(REPORTED_METRICS), "epoch", "mean over validation users", size)
    for axes, metric in zip(panels, REPORTED_METRICS, strict=True):
        for results, style in zip(settings, _styles(), strict=False):
            curve = results.curve(f"val_{metric}")
            marker = "." if len(curve) == 1 else None
            epochs = np.arange(1, len(curve) + 1)
            axes.plot(epochs, curve, marker=marker, label=results.setting.name, **style)
    return _figure_with_legend(panels, _COLUMNS_OF_A_WIDE_LEGEND)


def beta_curves(settings: Sequence[SettingResults]) -> Figure | None:
    """The beta of each setting by epoch, the mean over the seeds; None if no setting has one."""
    curves = {results.setting.name: results.curve("beta") for results in settings}
    if not any(map(len, curves.values())):
        return None
    size = (6.5, _height(len(settings), _COLUMNS_OF_A_NARROW_LEGEND))
    (axes,) = _panels(["beta"], "epoch", "weight of the KL term", size)
    for (name, curve), style in zip(curves.items(), _styles(), strict=False):
        if len(curve):
            axes.plot(np.arange(1, len(curve) + 1), curve, label=name, **style)
    return _figure_with_legend([axes], _COLUMNS_OF_A_NARROW_LEGEND)


def differences(by_name: Mapping[str, Difference], metric: str, base: str) -> Figure:
    """The difference of each setting to the base with its interval, first setting on top."""
    title = f"Difference of {metric} to {base}"
    (axes,) = _panels([title], f"{metric}, with 95% interval", "", (6.5, 1.2 + 0.28 * len(by_name)))
    positions = np.arange(len(by_name))
    means, lows, highs = np.array([(d.mean, d.low, d.high) for d in by_name.values()]).T
    axes.errorbar(means, positions, xerr=(means - lows, highs - means), fmt="o", markersize=4, capsize=3)
    axes.axvline(0, color="grey", linewidth=1)
    axes.set_yticks(positions, list(by_name), parse_math=False)
    axes.set_ylim(len(by_name) - 0.5, -0.5)
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    return figure


def schedules(lines: Mapping[str, np.ndarray], steps: np.ndarray) -> Figure:
    """Lines of beta by update.

    Args:
        lines: name -> float [number of steps].
        steps: int [number of steps], the updates.
    """
    size = (6.5, _height(len(lines), _COLUMNS_OF_A_NARROW_LEGEND))
    (axes,) = _panels(["beta"], "update", "weight of the KL term", size)
    for (name, line), style in zip(lines.items(), _styles(), strict=False):
        axes.plot(steps, line, label=name, **style)
    return _figure_with_legend([axes], _COLUMNS_OF_A_NARROW_LEGEND)
