"""What the runs of a study found, brought together by setting."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from multvae_tf.errors import RunError
from multvae_tf.evaluation import HeldOutRanking
from multvae_tf.ranking import MONITORED, REPORTED_METRICS
from multvae_tf.run import Run
from studies import comparison
from studies.comparison import Buckets, Difference
from studies.study import Expectation, PlannedRun, Setting, Study

MAIN_METRIC = "NDCG@100"
RECALL_K = 50
COVERAGE_KS = (20, 100)


@dataclasses.dataclass(frozen=True)
class StudyData:
    """The dataset of a study, as far as the report looks at it.

    Attributes:
        name: of the dataset.
        protocol: strong or temporal.
        fingerprint: of the data; runs on other data do not count.
        train: CSR [num_train_users, num_items].
        fold_in: CSR [num_users, num_items] of the test users.
        held_out: CSR of the same shape.
    """

    name: str
    protocol: str
    fingerprint: str
    train: scipy.sparse.csr_matrix
    fold_in: scipy.sparse.csr_matrix
    held_out: scipy.sparse.csr_matrix

    @property
    def label(self) -> str:
        """The name of the dataset, and the protocol unless it is the strong one."""
        return self.name if self.protocol == "strong" else f"{self.name}-{self.protocol}"

    @functools.cached_property
    def users(self) -> np.ndarray:
        """int64 [number of users with a held-out item], their rows."""
        return np.flatnonzero(np.diff(self.held_out.indptr))

    @functools.cached_property
    def items_by_popularity(self) -> Buckets:
        """The items by how many training users have them."""
        return comparison.popularity_buckets(self.train.getnnz(axis=0))


@dataclasses.dataclass(frozen=True)
class SettingResults:
    """What S runs of a setting, one per seed, found on U test users.

    A model that draws nothing has one run, which counts for every seed.

    Attributes:
        setting: the setting.
        metrics: for each of `REPORTED_METRICS` float64 [S, U].
        histories: of each run, the rows of its history.csv.
        recall_by_popularity: [S, number of item buckets], `comparison.recall_by_bucket` at `RECALL_K`.
        coverage: for each of `COVERAGE_KS` [S].
        seconds: of a run's training, the mean of the runs.
        peak_memory_bytes: of a run's process, likewise.
    """

    setting: Setting
    metrics: dict[str, np.ndarray]
    histories: list[list[dict[str, Any]]]
    recall_by_popularity: np.ndarray
    coverage: dict[int, np.ndarray]
    seconds: float
    peak_memory_bytes: float

    def curve(self, column: str) -> np.ndarray:
        """A column of the histories by epoch: the mean of the runs, as far as all went; [0] without it."""
        length = min(map(len, self.histories))
        if any(column not in history[0] for history in self.histories):
            return np.array([])
        return np.mean([[row[column] for row in history[:length]] for history in self.histories], axis=0)

    def at_best_epoch(self, column: str) -> float:
        """A column at each run's best epoch, its mean over the runs."""
        return float(
            np.mean([max(h, key=lambda row: row[f"val_{MONITORED}"])[column] for h in self.histories])
        )


class StudyResults:
    """The results of a study and what they say when compared.

    Args:
        study: the study.
        runs: its runs.
        data: on which they were tested.
        settings: what the runs of each setting found, by name, in the order of the study.
    """

    def __init__(
        self,
        study: Study,
        runs: Sequence[PlannedRun],
        data: StudyData,
        settings: Mapping[str, SettingResults],
    ):
        self.study = study
        self.runs = runs
        self.data = data
        self.settings = settings
        self.base = settings[study.base]
        self.seeds = _seeds(runs)
        self.users_by_activity = comparison.activity_buckets(np.diff(data.fold_in.indptr)[data.users])
        self.items_by_popularity = data.items_by_popularity

    @classmethod
    def read(cls, study: Study, runs: Sequence[PlannedRun], data: StudyData) -> "StudyResults":
        """The results that lie in the folders of the runs.

        Raises:
            RunError: a run is not finished, or was made on other data.
        """
        num_seeds = max(1, len(_seeds(runs)))
        found = {}
        for setting in study.settings:
            own = [planned.run for planned in runs if planned.setting is setting]
            found[setting.name] = _read_setting(setting, own * (num_seeds // len(own)), data)
        return cls(study, runs, data, found)

    def differences(self, pairs: Sequence[tuple[str, str]], metric: str = MAIN_METRIC) -> list[Difference]:
        """For each pair of names, the first setting's metric minus the second's."""
        values = {name: self.settings[name].metrics[metric] for pair in pairs for name in pair}
        return comparison.paired_differences(np.stack([values[one] - values[two] for one, two in pairs]))

    def differences_to_base(self, metric: str = MAIN_METRIC) -> dict[str, Difference]:
        """The difference of every other setting to the base, by name."""
        others = [name for name in self.settings if name != self.study.base]
        pairs = [(name, self.study.base) for name in others]
        return dict(zip(others, self.differences(pairs, metric), strict=True)) if pairs else {}

    def claimed_differences(self) -> dict[tuple[str, str], Difference]:
        """The difference of every pair of settings that a claim names."""
        expectations: list[Expectation] = [e for claim in self.study.claims for e in claim.expectations]
        pairs = list(dict.fromkeys((e.setting, e.other) for e in expectations))
        return dict(zip(pairs, self.differences(pairs), strict=True)) if pairs else {}


def _seeds(runs: Sequence[PlannedRun]) -> list[int]:
    return sorted({planned.seed for planned in runs if planned.seed is not None})


def _read_setting(setting: Setting, runs: Sequence[Run], data: StudyData) -> SettingResults:
    """What the runs of a setting found, from their folders."""
    held_out, num_items = data.held_out[data.users], data.train.shape[1]
    rankings = [_test_ranking(run, data) for run in runs]
    tops = [ranking.top_items for ranking in rankings]
    return SettingResults(
        setting=setting,
        metrics={name: np.stack([r.metrics[name] for r in rankings]) for name in REPORTED_METRICS},
        histories=[run.history for run in runs],
        recall_by_popularity=np.array(
            [comparison.recall_by_bucket(top, held_out, data.items_by_popularity, RECALL_K) for top in tops]
        ),
        coverage={k: np.array([comparison.coverage(top, num_items, k) for top in tops]) for k in COVERAGE_KS},
        seconds=float(np.mean([run.metrics.seconds for run in runs])),
        peak_memory_bytes=float(np.mean([run.metrics.peak_memory_bytes for run in runs])),
    )


def _test_ranking(run: Run, data: StudyData) -> HeldOutRanking:
    if run.settings.data.fingerprint != data.fingerprint:
        raise RunError(f"{run.settings_path} is of a run on other data than {data.name} is now: delete it")
    ranking = run.test_ranking()
    if not np.array_equal(ranking.users, data.users):
        raise RunError(f"{run.test_users_path} is of other users than those of the test")
    return ranking
