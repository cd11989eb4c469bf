"""How rankings compare: paired differences with intervals, groups of users and of items, coverage.

U users, S seeds, I items; a `top` is int [U, K], item numbers, best first, -1 where no item is left.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import scipy.sparse

RESAMPLES = 4_000
SEED = 20_191_216
_LEVEL = 0.95
_RESAMPLES_AT_A_TIME = 250


@dataclasses.dataclass(frozen=True)
class Difference:
    """A mean difference and its 95% interval.

    Attributes:
        mean: over users and seeds.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the interval lies on one side of 0, otherwise `tie`."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "tie"

    def is_expected(self, expected: str, margin: float) -> bool | None:
        """Whether the difference is as expected; None if its interval cannot tell.

        Args:
            expected: `better`, `worse`, or `close`: nearer to 0 than the margin.
            margin: of `close`.
        """
        if expected == "close":
            inside = -margin < self.low and self.high < margin
            outside = self.low > margin or self.high < -margin
            return True if inside else False if outside else None
        return None if self.verdict == "tie" else self.verdict == expected


def paired_differences(
    differences: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED
) -> list[Difference]:
    """Mean differences with bootstrap intervals that resample the users and, independently, the seeds.

    Both models of a pair ranked every user under every seed, so the difference is taken first. Resampling a
    table both ways errs on the wide side (Owen 2007, "The pigeonhole bootstrap"). A resample of S seeds shows
    only (S - 1) / S of the variance between them, which matters for so few: the seeds' means are spread by
    sqrt(S / (S - 1)) first. One seed alone says nothing of that variance.

    Args:
        differences: float64 [N, S, U], of N pairs of models.
        resamples: how many.
        seed: of the resampling, which is the same for all pairs.
    """
    _, num_seeds, num_users = differences.shape
    means = differences.mean(axis=(1, 2))
    spread = np.sqrt(num_seeds / (num_seeds - 1)) - 1 if num_seeds > 1 else 0.0
    seed_effects = differences.mean(axis=2) - means[:, None]
    table = differences + spread * seed_effects[:, :, None]
    resampled = np.concatenate(
        [
            np.einsum("rs,nsr->nr", seeds, table @ users.T, optimize=True)
            for seeds, users in _weights(num_seeds, num_users, resamples, seed)
        ],
        axis=1,
    )
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=1)
    return [Difference(*map(float, numbers)) for numbers in zip(means, low, high, strict=True)]


def _weights(
    num_seeds: int, num_users: int, resamples: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shares of each seed [R, S] and each user [R, U] in R resamples at a time."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, _RESAMPLES_AT_A_TIME):
        size = min(_RESAMPLES_AT_A_TIME, resamples - start)
        seeds, users = (
            random.multinomial(n, np.full(n, 1 / n), size=size) / n for n in (num_seeds, num_users)
        )
        yield seeds, users


@dataclasses.dataclass(frozen=True)
class Buckets:
    """Groups of users or items by a count.

    Attributes:
        labels: the range of counts in each bucket.
        numbers: int [N], the bucket of each user or item.
    """

    labels: list[str]
    numbers: np.ndarray

    def means(self, values: np.ndarray) -> list[float]:
        """The mean of values, float [N], in each bucket."""
        return [float(values[self.numbers == number].mean()) for number in range(len(self.labels))]

    def sizes(self) -> list[int]:
        """How many are in each bucket."""
        return np.bincount(self.numbers, minlength=len(self.labels)).tolist()


def _buckets(counts: np.ndarray, last_counts: np.ndarray) -> Buckets:
    """Buckets that end with these counts; equal counts share a bucket, so there may be fewer."""
    _, numbers = np.unique(np.searchsorted(last_counts, counts), return_inverse=True)
    members = [counts[numbers == number] for number in range(numbers.max() + 1)]
    return Buckets([f"{m.min():,} to {m.max():,}" for m in members], numbers)


def activity_buckets(fold_in_sizes: np.ndarray) -> Buckets:
    """Users, int [U], by quartile of the size of their fold-in."""
    return _buckets(fold_in_sizes, np.quantile(fold_in_sizes, [0.25, 0.5, 0.75]))


def popularity_buckets(num_train_users: np.ndarray) -> Buckets:
    """Items, int [I], rarest first, by thirds of the training interactions: the last has few items."""
    by_count = np.sort(num_train_users)
    thirds = np.searchsorted(np.cumsum(by_count), by_count.sum() * np.array([1, 2]) / 3)
    return _buckets(num_train_users, by_count[thirds])


def recall_by_bucket(
    top: np.ndarray, held_out: scipy.sparse.csr_matrix, buckets: Buckets, k: int
) -> list[float]:
    """The share of all held-out items of each bucket that are among the k best of their user.

    Args:
        top: int [U, at least k].
        held_out: CSR [U, I].
        buckets: of the items.
        k: the cut-off.

    Returns:
        One share per bucket; NaN where it has no held-out item.
    """
    num_users, num_items = held_out.shape
    rows = np.repeat(np.arange(num_users, dtype=np.int64), np.diff(held_out.indptr))
    recommended = (np.arange(num_users, dtype=np.int64)[:, None] * num_items + top[:, :k])[top[:, :k] >= 0]
    found = np.isin(rows * num_items + held_out.indices, recommended)
    bucket_of = buckets.numbers[held_out.indices]
    totals = np.bincount(bucket_of, minlength=len(buckets.labels))
    with np.errstate(invalid="ignore"):
        return (np.bincount(bucket_of, weights=found, minlength=len(buckets.labels)) / totals).tolist()


def coverage(top: np.ndarray, num_items: int, k: int) -> float:
    """The share of the catalogue that is among the k best of anyone."""
    items = np.unique(top[:, :k])
    return np.count_nonzero(items >= 0) / num_items
