"""The report of a study on one dataset: tables, pictures and verdicts, from its results."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from multvae_tf.ranking import REPORTED_METRICS
from studies import comparison, figures
from studies.comparison import Difference
from studies.page import Page
from studies.results import COVERAGE_KS, MAIN_METRIC, RECALL_K, SettingResults, StudyResults
from studies.study import Claim, Expectation

_COLUMNS = ("mean", "sd", "se", "difference [95% interval]", "verdict", "published", "its difference")
COSTS = ("training, s", "peak memory, MiB")
ABOUT_COSTS = (
    "The time is the training's alone, and runs side by side share the cores; the memory is the largest "
    "resident set of the process."
)
_ANSWERS = {True: "holds", False: "does not hold", None: "cannot be told at this size"}
_OF_THE_BEST_EPOCH = ("epoch", "kl", "largest_share", "share_standard", "share_old_posterior", "share_wide")


def write(results: StudyResults, command: str, folder: Path, *, with_html: bool = False) -> list[Path]:
    """Writes README.md with its pictures, and report.html if that is wanted.

    Args:
        results: of the study.
        command: that made this report.
        folder: is made if need be.
        with_html: whether report.html is wanted.

    Returns:
        The pages' paths.
    """
    study, data = results.study, results.data
    page = Page(f"{study.title} ({data.name})")
    seeds = ", ".join(map(str, results.seeds)) or "none, as nothing is drawn"
    page.text(
        f"Varies: {study.varies}. Data: {data.name}, {data.protocol} protocol, {data.train.shape[0]:,} "
        f"training users, {data.train.shape[1]:,} items, {len(data.users):,} test users with held-out "
        f"items. Seeds: {seeds}. Each run is tested with the weights of its "
        f"best epoch by validation {MAIN_METRIC}."
    )
    if study.claims:
        page.heading("Claims")
        _add_claims(page, results)
    page.heading("Test results")
    _add_test_results(page, results)
    page.heading("Training")
    _add_training(page, results)
    page.heading("For whom, and of what")
    _add_user_groups(page, results)
    _add_item_groups(page, results)
    page.heading("Commands")
    _add_commands(page, results, command)
    return page.write(folder, with_html=with_html)


def _add_claims(page: Page, results: StudyResults) -> None:
    page.text(
        f"Each claim is checked by differences of {MAIN_METRIC}. It holds if the 95% interval of each lies "
        "wholly where it is expected, does not hold if one lies wholly elsewhere, and otherwise cannot be "
        "told at this size."
    )
    differences = results.claimed_differences()
    rows = []
    for claim in results.study.claims:
        found = [(e, differences[e.setting, e.other]) for e in claim.expectations]
        answers = [difference.is_expected(e.expected, claim.margin) for e, difference in found]
        rows.append([claim.sentence, _ANSWERS[_all(answers)], ""])
        for (expectation, difference), answer in zip(found, answers, strict=True):
            rows.append([_expectation(expectation, claim), _ANSWERS[answer], with_interval(difference)])
    page.table(["claim, and what it expects", "answer", f"difference of {MAIN_METRIC}"], rows)


def _all(answers: Sequence[bool | None]) -> bool | None:
    """False if any is; otherwise None if any is; otherwise True."""
    return False if False in answers else None if None in answers else True


def _expectation(expectation: Expectation, claim: Claim) -> str:
    setting, other = expectation.setting, expectation.other
    if expectation.expected == "close":
        return f"... {setting} within {claim.margin:g} of {other}"
    return f"... {setting} {expectation.expected} than {other}"


def with_interval(difference: Difference) -> str:
    """A difference as text, its interval in brackets."""
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


def how_settings_are_compared(results: StudyResults) -> str:
    """The paragraph that explains the columns of `result_table`."""
    study = results.study
    text = (
        "Mean over users and seeds; sd: standard deviation between the seeds; se: standard error over the "
        f"users. Difference: to {study.base}, paired by user and seed, with a 95% bootstrap interval of "
        f"{comparison.RESAMPLES:,} resamples of users and seeds (random seed {comparison.SEED}). Better or "
        "worse: the interval lies on one side of 0, as one in twenty does by chance. "
    )
    if len(results.seeds) == 1:
        text += "With one seed, nothing is known of how much another would change. "
    if _has_published(results):
        text += f"Published: {study.source}; {study.published_on}, strong protocol."
    return text


def _has_published(results: StudyResults) -> bool:
    return any(setting.published for setting in results.study.settings)


def add_result_table(page: Page, results: StudyResults, metric: str) -> dict[str, Difference]:
    """Adds a row for each setting; returns the difference of each to the base, by name."""
    differences = results.differences_to_base(metric)
    rows = [_result_row(results, name, metric, differences.get(name)) for name in results.settings]
    columns = len(_COLUMNS) if _has_published(results) else len(_COLUMNS) - 2
    page.table([metric, *_COLUMNS[:columns]], [row[: 1 + columns] for row in rows])
    return differences


def _add_test_results(page: Page, results: StudyResults) -> None:
    page.text(how_settings_are_compared(results))
    for metric in REPORTED_METRICS:
        differences = add_result_table(page, results, metric)
        if metric == MAIN_METRIC and differences:
            figure = figures.differences(differences, metric, results.study.base)
            caption = f"{metric} on the test users: differences to {results.study.base}."
            page.picture("differences", figure, caption)


def _result_row(results: StudyResults, name: str, metric: str, difference: Difference | None) -> list[str]:
    values = results.settings[name].metrics[metric]
    by_seed, by_user = values.mean(axis=1), values.mean(axis=0)
    published = results.settings[name].setting.published.get(metric)
    published_base = results.base.setting.published.get(metric)
    row = [
        name,
        f"{values.mean():.4f}",
        f"{by_seed.std(ddof=1):.4f}" if len(by_seed) > 1 else "",
        f"{by_user.std() / np.sqrt(len(by_user)):.4f}",
        with_interval(difference) if difference else "base",
        difference.verdict if difference else "",
        f"{published:.4f}" if published is not None else "",
    ]
    if difference is None or published is None or published_base is None:
        return [*row, ""]
    return [*row, f"{published - published_base:+.4f}"]


def _add_training(page: Page, results: StudyResults) -> None:
    settings = list(results.settings.values())
    caption = "Validation metrics by epoch, mean over the seeds."
    page.picture("validation", figures.validation_curves(settings), caption)
    if betas := figures.beta_curves(settings):
        caption = (
            "Beta by epoch, mean over the seeds: of the epoch's last update for Mult-VAE, the mean of its "
            "encoder updates for RecVAE."
        )
        page.picture("beta", betas, caption)
    columns = [c for c in _OF_THE_BEST_EPOCH if any(c in r.histories[0][0] for r in settings)]
    page.text(
        "At the best epoch, mean over the seeds; shares are those of the prior's components. " + ABOUT_COSTS
    )
    page.table(
        ["setting", *(column.replace("_", " ") for column in columns), *COSTS],
        [
            [
                r.setting.name,
                *(f"{r.at_best_epoch(c):.4g}" if c in r.histories[0][0] else "" for c in columns),
                *costs(r),
            ]
            for r in settings
        ],
    )


def costs(results: SettingResults) -> list[str]:
    """The cells of `COSTS`: what a run of a setting took."""
    seconds = results.seconds
    return [
        f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.2g}",
        f"{results.peak_memory_bytes / 2**20:,.0f}",
    ]


def _add_user_groups(page: Page, results: StudyResults) -> None:
    users = results.users_by_activity
    sizes = [f"{label} ({size:,})" for label, size in zip(users.labels, users.sizes(), strict=True)]
    for metric in REPORTED_METRICS:
        page.table(
            [f"{metric} by fold-in items (users)", *sizes],
            [
                [name, *(f"{mean:.4f}" for mean in users.means(r.metrics[metric].mean(axis=0)))]
                for name, r in results.settings.items()
            ],
        )


def _add_item_groups(page: Page, results: StudyResults) -> None:
    items = results.items_by_popularity
    page.text(
        "Items by number of training users: each group has about a third of the training interactions. "
        f"Found: the share of the group's held-out items that are among the {RECALL_K} best of their user. "
        f"Coverage: the share of the catalogue that is among the {' or '.join(map(str, COVERAGE_KS))} best "
        "of any test user."
    )
    sizes = [
        f"found, {label} users ({size:,} items)"
        for label, size in zip(items.labels, items.sizes(), strict=True)
    ]
    page.table(
        ["setting", *sizes, *(f"coverage@{k}" for k in COVERAGE_KS)],
        [
            [
                name,
                *(f"{share:.4f}" for share in r.recall_by_popularity.mean(axis=0)),
                *(f"{r.coverage[k].mean():.4f}" for k in COVERAGE_KS),
            ]
            for name, r in results.settings.items()
        ],
    )


def _add_commands(page: Page, results: StudyResults, command: str) -> None:
    page.text("This report:")
    page.code(command)
    others = ", ".join(map(str, results.seeds[1:]))
    page.text("Each setting" + (f"; its other runs have --seed={others}:" if others else ":"))
    first = [run for run in results.runs if run.seed in (None, *results.seeds[:1])]
    page.code("\n".join(run.command for run in first))
