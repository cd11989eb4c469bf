"""The demo data: drawn from the papers' own generative process, the same on every machine, offline.

z_u ~ N(0, I), pi(z_u) = softmax(f(z_u)), x_u ~ Mult(n_u, pi(z_u)) (Liang et al. 2018, equation 1). Here f
is linear: item i has a bias, for popularity, a large weight on the coordinate of z that stands for its genre,
and small weights on the others. n_u is log-normal. The draw is without replacement: an item is liked once.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from data_prep.sources.raw_data import RawData
from data_prep.spec import DatasetSpec
from data_prep.table import InteractionTable
from data_prep.titles import Titles

NUM_USERS, NUM_ITEMS = 3_000, 1_000
VERSION = 1
_SEED = 20_180_423
_GENRES = ("Western", "Space opera", "Film noir", "Musical", "Heist", "Ghost story", "Road movie", "Satire")
_GENRE_STRENGTH, _OTHER_STRENGTH, _POPULARITY_EXPONENT = 1.6, 0.3, 0.8
_MEDIAN_LIKES, _SIGMA_OF_LOG_LIKES, _MOST_LIKES = 30.0, 0.7, 200


def locate(spec: DatasetSpec, place: Path, data_dir: str) -> RawData:
    """The demo data, which needs no file."""
    return RawData("the demo data", [VERSION], lambda: generate()[0], titles_of_its_own=lambda: generate()[1])


def generate() -> tuple[InteractionTable, Titles]:
    """The interactions, users and items numbered from 1, and titles that name each item's genre."""
    random = np.random.RandomState(_SEED)
    genre = random.randint(len(_GENRES), size=NUM_ITEMS)
    loadings = _OTHER_STRENGTH * random.standard_normal((len(_GENRES), NUM_ITEMS))
    loadings[genre, np.arange(NUM_ITEMS)] += _GENRE_STRENGTH
    bias = -_POPULARITY_EXPONENT * np.log(1 + random.permutation(NUM_ITEMS))
    z = random.standard_normal((NUM_USERS, len(_GENRES)))
    likes = _MEDIAN_LIKES * np.exp(_SIGMA_OF_LOG_LIKES * random.standard_normal(NUM_USERS))
    likes = np.clip(likes, 5, _MOST_LIKES).astype(np.int64)

    # The items with the n largest log-probabilities + Gumbel noise are n draws without replacement.
    keys = z @ loadings + bias + random.gumbel(size=(NUM_USERS, NUM_ITEMS))
    ranking = np.argsort(-keys, axis=1, kind="stable")[:, :_MOST_LIKES]
    users, ranks = np.nonzero(np.arange(_MOST_LIKES) < likes[:, None])
    table = InteractionTable(
        users=users.astype(np.int32),
        items=ranking[users, ranks].astype(np.int32),
        user_ids=pa.array(np.arange(1, NUM_USERS + 1)).cast(pa.string()),
        item_ids=pa.array(np.arange(1, NUM_ITEMS + 1)).cast(pa.string()),
        timestamps=ranks.astype(np.int64),
        integer_ids=(True, True),
        description=f"the demo data: {len(users):,} likes, drawn by a program",
    )
    return table, {str(item + 1): f"{_GENRES[g]} no. {item + 1}" for item, g in enumerate(genre)}
