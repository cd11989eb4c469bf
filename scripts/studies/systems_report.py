"""The report of one study on several datasets: a table for each, and the ranks over all of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.stats

from studies import study_report
from studies.page import Page
from studies.results import MAIN_METRIC, StudyResults


def write(
    results: Mapping[str, StudyResults], command: str, folder: Path, *, with_html: bool = False
) -> list[Path]:
    """Writes README.md, and report.html if that is wanted.

    Args:
        results: by dataset, of the same settings.
        command: that made this report.
        folder: is made if need be.
        with_html: whether report.html is wanted.

    Returns:
        The pages' paths.
    """
    study = next(iter(results.values())).study
    page = Page(f"{study.title} ({', '.join(results)})")
    page.text(f"Varies: {study.varies}.")
    page.heading("Ranks")
    page.text(
        f"The rank of each setting by its mean {MAIN_METRIC} on the test users of each dataset, 1 is the "
        "best, and the mean of its ranks. Ranks say nothing of how large a difference is, or whether it is "
        "one: the intervals below do."
    )
    ranks = rank_settings(
        [[r.metrics[MAIN_METRIC].mean() for r in s.settings.values()] for s in results.values()]
    )
    names = [setting.name for setting in study.settings]
    order = np.argsort(ranks.mean(axis=0), kind="stable")
    page.table(
        ["setting", *results, "mean rank"],
        [[names[i], *(f"{rank:g}" for rank in ranks[:, i]), f"{ranks[:, i].mean():.2f}"] for i in order],
    )
    for dataset, found in results.items():
        page.heading(dataset)
        page.text(study_report.how_settings_are_compared(found))
        study_report.add_result_table(page, found, MAIN_METRIC)
        page.text(study_report.ABOUT_COSTS)
        rows = [[name, *study_report.costs(setting)] for name, setting in found.settings.items()]
        page.table(["setting", *study_report.COSTS], rows)
    page.heading("Command")
    page.code(command)
    return page.write(folder, with_html=with_html)


def rank_settings(means: Sequence[Sequence[float]]) -> np.ndarray:
    """The ranks of S settings on each of D datasets; equal ones share the mean of their ranks.

    Args:
        means: [D, S], greater is better.

    Returns:
        float64 [D, S], 1 is the best.
    """
    return scipy.stats.rankdata(-np.asarray(means), axis=1)
