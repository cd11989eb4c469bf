"""The report of a study: tables, figures and verdicts, from its results."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from multvae_tf.autoencoder import REPORTED_METRICS
from studies import comparison, document, figures
from studies.comparison import Difference
from studies.document import Block, Code, Figure, Heading, Paragraph, Table
from studies.results import COVERAGE_KS, MAIN_METRIC, RECALL_K, StudyResults
from studies.study import Claim, Expectation

_COLUMNS = ("mean", "sd", "se", "difference [95% interval]", "verdict", "published", "its difference")
_ANSWERS = {True: "holds", False: "does not hold", None: "cannot be told at this size"}


def write(results: StudyResults, command: str, folder: Path) -> None:
    """Writes README.md with its figures, and report.html.

    Args:
        results: of the study.
        command: that made this report.
        folder: is made if need be.
    """
    document.write(list(_blocks(results, command)), folder)


def _blocks(results: StudyResults, command: str) -> Iterator[Block]:
    study, data = results.study, results.data
    yield Heading(f"{study.title} ({data.name})", level=1)
    yield Paragraph(
        f"Varies: {study.varies}. Data: {data.name}, {data.protocol} protocol, {data.train.shape[0]:,} "
        f"training users, {data.train.shape[1]:,} items, {len(results.users):,} test users with held-out "
        f"items. Seeds: {', '.join(map(str, results.seeds))}. Each run is tested with the weights of its "
        f"best epoch by validation {MAIN_METRIC}."
    )
    if study.claims:
        yield Heading("Claims")
        yield from _claims(results)
    yield Heading("Test results")
    yield from _test_results(results)
    yield Heading("Training")
    yield from _training(results)
    yield Heading("For whom, and of what")
    yield from _groups(results)
    yield Heading("Commands")
    yield from _commands(results, command)


def _claims(results: StudyResults) -> Iterator[Block]:
    yield Paragraph(
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
            rows.append([_expectation(expectation, claim), _ANSWERS[answer], _with_interval(difference)])
    yield Table(["claim, and what it expects", "answer", f"difference of {MAIN_METRIC}"], rows)


def _all(answers: Sequence[bool | None]) -> bool | None:
    """False if any is; otherwise None if any is; otherwise True."""
    return False if False in answers else None if None in answers else True


def _expectation(expectation: Expectation, claim: Claim) -> str:
    setting, other = expectation.setting, expectation.other
    if expectation.expected == "close":
        return f"... {setting} within {claim.margin:g} of {other}"
    return f"... {setting} {expectation.expected} than {other}"


def _with_interval(difference: Difference) -> str:
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"


def _test_results(results: StudyResults) -> Iterator[Block]:
    study, one_seed = results.study, len(results.seeds) == 1
    has_published = any(setting.published for setting in study.settings)
    yield Paragraph(
        "Mean over users and seeds; sd: standard deviation between the seeds; se: standard error over the "
        f"users. Difference: to {study.base}, paired by user and seed, with a 95% bootstrap interval of "
        f"{comparison.RESAMPLES:,} resamples of users and seeds (random seed {comparison.SEED}). Better or "
        "worse: the interval lies on one side of 0, as one in twenty does by chance. "
        + ("With one seed, nothing is known of how much another would change. " if one_seed else "")
        + (f"Published: {study.source}; {study.published_on}, strong protocol." if has_published else "")
    )
    for metric in REPORTED_METRICS:
        differences = _differences_to_base(results, metric)
        rows = [_result_row(results, name, metric, differences.get(name)) for name in results.settings]
        columns = len(_COLUMNS) if has_published else len(_COLUMNS) - 2
        yield Table([metric, *_COLUMNS[:columns]], [row[: 1 + columns] for row in rows])
        if metric == MAIN_METRIC and differences:
            svg = figures.differences(differences, metric, study.base)
            yield Figure("differences", svg, f"{metric} on the test users: differences to {study.base}.")


def _differences_to_base(results: StudyResults, metric: str) -> dict[str, Difference]:
    others = [name for name in results.settings if name != results.study.base]
    pairs = [(name, results.study.base) for name in others]
    return dict(zip(others, results.differences(pairs, metric), strict=True)) if pairs else {}


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
        _with_interval(difference) if difference else "base",
        difference.verdict if difference else "",
        f"{published:.4f}" if published is not None else "",
    ]
    if difference is None or published is None or published_base is None:
        return [*row, ""]
    return [*row, f"{published - published_base:+.4f}"]


def _training(results: StudyResults) -> Iterator[Block]:
    settings = list(results.settings.values())
    caption = "Validation metrics by epoch, mean over the seeds."
    yield Figure("validation", figures.validation_curves(settings), caption)
    if betas := figures.beta_curves(settings):
        caption = (
            "Beta by epoch, mean over the seeds: of the epoch's last update for Mult-VAE, the mean of its "
            "encoder updates for RecVAE."
        )
        yield Figure("beta", betas, caption)
    columns = ["epoch", "kl", "largest_share", "share_standard", "share_old_posterior", "share_wide"]
    columns = [c for c in columns if any(c in r.histories[0][0] for r in settings)]
    rows = [
        [r.setting.name, *(f"{r.at_best_epoch(c):.4g}" if c in r.histories[0][0] else "" for c in columns)]
        for r in settings
    ]
    yield Paragraph("At the best epoch, mean over the seeds; shares are those of the prior's components.")
    yield Table(["setting", *(column.replace("_", " ") for column in columns)], rows)


def _groups(results: StudyResults) -> Iterator[Block]:
    settings, users, items = results.settings, results.users_by_activity, results.items_by_popularity
    sizes = [f"{label} ({size:,})" for label, size in zip(users.labels, users.sizes(), strict=True)]
    for metric in REPORTED_METRICS:
        yield Table(
            [f"{metric} by fold-in items (users)", *sizes],
            [
                [name, *(f"{mean:.4f}" for mean in users.means(r.metrics[metric].mean(axis=0)))]
                for name, r in settings.items()
            ],
        )
    yield Paragraph(
        "Items by number of training users: each group has about a third of the training interactions. "
        f"Found: the share of the group's held-out items that are among the {RECALL_K} best of their user. "
        f"Coverage: the share of the catalogue that is among the {' or '.join(map(str, COVERAGE_KS))} best "
        "of any test user."
    )
    sizes = [
        f"found, {label} users ({size:,} items)"
        for label, size in zip(items.labels, items.sizes(), strict=True)
    ]
    yield Table(
        ["setting", *sizes, *(f"coverage@{k}" for k in COVERAGE_KS)],
        [
            [
                name,
                *(f"{share:.4f}" for share in r.recall_by_popularity.mean(axis=0)),
                *(f"{r.coverage[k].mean():.4f}" for k in COVERAGE_KS),
            ]
            for name, r in settings.items()
        ],
    )


def _commands(results: StudyResults, command: str) -> Iterator[Block]:
    yield Paragraph("This report:")
    yield Code(command)
    others = ", ".join(map(str, results.seeds[1:]))
    yield Paragraph("Each setting" + (f"; its other runs have --seed={others}:" if others else ":"))
    first = [run for run in results.runs if run.seed == results.seeds[0]]
    yield Code("\n".join(f"python scripts/train.py {' '.join(run.arguments)}" for run in first))
