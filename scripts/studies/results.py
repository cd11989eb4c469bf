"""What the runs of a study found, brought together by setting."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from multvae_tf.autoencoder import REPORTED_METRICS
from multvae_tf.errors import RunError
from multvae_tf.evaluation import HeldOutRanking
from multvae_tf.training import MONITORED, read_history
from studies import comparison
from studies.comparison import Difference
from studies.study import Expectation, Run, Setting, Study

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


@dataclasses.dataclass(frozen=True)
class SettingResults:
    """What S runs of a setting, one per seed, found on U test users.

    Attributes:
        setting: the setting.
        metrics: for each of `REPORTED_METRICS` float64 [S, U].
        histories: of each run, the rows of its history.csv.
        recall_by_popularity: [S, number of item buckets], `comparison.recall_by_bucket` at `RECALL_K`.
        coverage: for each of `COVERAGE_KS` [S].
    """

    setting: Setting
    metrics: dict[str, np.ndarray]
    histories: list[list[dict[str, Any]]]
    recall_by_popularity: np.ndarray
    coverage: dict[int, np.ndarray]

    def curve(self, column: str) -> np.ndarray:
        """A column of the histories by epoch: the mean of the runs, as far as all went; [0] without it."""
        length = min(map(len, self.histories))
        if any(column not in history[0] for history in self.histories):
            return np.array([])
        return np.mean([[row[column] for row in history[:length]] for history in self.histories], axis=0)

    def at_best_epoch(self, column: str) -> float:
        """A column at each run's best epoch, its mean over the runs."""
        return float(np.mean([max(h, key=lambda row: row[MONITORED])[column] for h in self.histories]))


class StudyResults:
    """The results of a study and what they say when compared.

    Args:
        study: the study.
        runs: its runs, all finished.
        data: on which they were tested.

    Raises:
        RunError: a run is not finished, or was made on other data.
    """

    def __init__(self, study: Study, runs: Sequence[Run], data: StudyData):
        self.study = study
        self.runs = runs
        self.data = data
        self.seeds = sorted({run.seed for run in runs})
        self.users = np.flatnonzero(np.diff(data.held_out.indptr))
        self.items_by_popularity = comparison.popularity_buckets(data.train.getnnz(axis=0))
        fold_in_sizes = np.diff(data.fold_in.indptr)[self.users]
        self.users_by_activity = comparison.activity_buckets(fold_in_sizes)
        self._held_out = data.held_out[self.users]
        self.settings = {setting.name: self._results(setting) for setting in study.settings}
        self.base = self.settings[study.base]

    def _results(self, setting: Setting) -> SettingResults:
        runs = [run for run in self.runs if run.setting is setting]
        metrics: dict[str, list[np.ndarray]] = {name: [] for name in REPORTED_METRICS}
        recalls, coverage = [], {k: np.zeros(len(runs)) for k in COVERAGE_KS}
        for number, run in enumerate(runs):
            run.folder.require_settings({"dataset": {"fingerprint": self.data.fingerprint}})
            ranking = HeldOutRanking.load(run.folder.test_users_path)
            if not np.array_equal(ranking.users, self.users):
                raise RunError(f"{run.folder.test_users_path} is of other users than those of the test")
            for name, values in ranking.metrics.items():
                metrics[name].append(values)
            top = ranking.top_items
            recalls.append(
                comparison.recall_by_bucket(top, self._held_out, self.items_by_popularity, RECALL_K)
            )
            for k in COVERAGE_KS:
                coverage[k][number] = comparison.coverage(top, self.data.train.shape[1], k)
        return SettingResults(
            setting,
            {name: np.stack(values) for name, values in metrics.items()},
            [read_history(run.folder) for run in runs],
            np.array(recalls),
            coverage,
        )

    def differences(self, pairs: Sequence[tuple[str, str]], metric: str = MAIN_METRIC) -> list[Difference]:
        """For each pair of names, the first setting's metric minus the second's."""
        values = {name: self.settings[name].metrics[metric] for pair in pairs for name in pair}
        return comparison.paired_differences(np.stack([values[one] - values[two] for one, two in pairs]))

    def claimed_differences(self) -> dict[tuple[str, str], Difference]:
        """The difference of every pair of settings that a claim names."""
        expectations: list[Expectation] = [e for claim in self.study.claims for e in claim.expectations]
        pairs = list(dict.fromkeys((e.setting, e.other) for e in expectations))
        return dict(zip(pairs, self.differences(pairs), strict=True)) if pairs else {}
