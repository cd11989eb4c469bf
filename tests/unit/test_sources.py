"""Each dataset's own files, in miniature: every form that its owner distributes gives the same split."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pytest

import data_prep
from data_prep.catalogue import resolve
from data_prep.errors import DataError
from data_prep.sources import movielens

random = np.random.RandomState(3)
PAIRS = np.unique(random.randint(1, 60, size=(1500, 2)), axis=0).tolist()
TIMES = (1_000 + random.permutation(len(PAIRS))).tolist()
RATINGS = [(u, m, int(random.randint(1, 6)), t) for (u, m), t in zip(PAIRS, TIMES, strict=True)]
SMALL = {"heldout_users": 5, "min_user_items": 5, "threshold": 3.5}


def ratings_csv(rows=RATINGS):
    return "userId,movieId,rating,timestamp\n" + "".join(f"{u},{m},{r}.0,{t}\n" for u, m, r, t in rows)


def ratings_dat(rows):
    return "".join(f"{u}::{m}::{r}::{t}\n" for u, m, r, t in rows)


MOVIES = sorted({m for _, m, _, _ in RATINGS})


def in_csv(folder):
    (folder / "ml-25m").mkdir(parents=True)
    (folder / "ml-25m" / "ratings.csv").write_text(ratings_csv())
    (folder / "ml-25m" / "movies.csv").write_text(
        "movieId,title,genres\n" + "".join(f'{m},"Film {m}, The",\n' for m in MOVIES)
    )


def in_zip(folder):
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "ml-25m.zip", "w") as archive:
        archive.writestr("ml-25m/README.txt", "")
        archive.writestr("ml-25m/ratings.csv", ratings_csv())
        archive.writestr(
            "ml-25m/movies.csv", "movieId,title,genres\n" + "".join(f'{m},"Film {m}, The",\n' for m in MOVIES)
        )


def in_dat(folder):
    folder.mkdir(parents=True)
    (folder / "ratings.dat").write_text(ratings_dat(RATINGS[::-1]))
    (folder / "movies.dat").write_text("".join(f"{m}::Film {m}, The::Drama\n" for m in MOVIES))


def in_u_data(folder):
    folder.mkdir(parents=True)
    (folder / "u.data").write_text(ratings_dat(RATINGS[::-1]).replace("::", "\t"))
    (folder / "u.item").write_text("".join(f"{m}|Film {m}, The|1995\n" for m in MOVIES), encoding="latin-1")


def content(dataset):
    matrices = (dataset.train, dataset.test.fold_in, dataset.test.held_out, dataset.validation.held_out)
    return dataset.fingerprint, [m.sum() for m in matrices], list(dataset.item_titles)


@pytest.mark.parametrize("protocol", ["strong", "temporal"])
def test_movielens_is_the_same_from_every_form(protocol, tmp_path):
    spec = resolve("ml-25m", protocol=protocol, **SMALL)
    contents = []
    for form in (in_csv, in_zip, in_dat, in_u_data):
        form(tmp_path / form.__name__ / "ml25m")
        contents.append(content(data_prep.prepare(spec, tmp_path / form.__name__)))
    assert contents[0][2][0].startswith("Film ")
    assert all(c == contents[0] for c in contents)


@pytest.mark.parametrize("name", ["netflix", "msd", "ml10m"])
def test_what_must_be_fetched_by_hand_is_told(name, tmp_path):
    with pytest.raises(
        DataError, match=rf"{name} is not here.*: fetch it from http.* and put .* into {tmp_path}"
    ):
        data_prep.prepare(resolve(name), str(tmp_path))


def netflix_texts():
    texts = {}
    for user, movie, rating, time in RATINGS:
        texts.setdefault(movie, f"{movie}:\n")
        texts[movie] += f"{user},{rating},{np.datetime64(time, 'D')}\n"
    return texts


def as_movie_files(folder):
    (folder / "training_set").mkdir(parents=True)
    for movie, text in netflix_texts().items():
        (folder / "training_set" / f"mv_{movie:07d}.txt").write_text(text)


def as_combined_files(folder):
    folder.mkdir(parents=True)
    texts = [text for _, text in sorted(netflix_texts().items())]
    (folder / "combined_data_1.txt").write_text("".join(texts[:30]))
    (folder / "combined_data_2.txt").write_text("".join(texts[30:]))


def tar_of_movies(mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for movie, text in netflix_texts().items():
            info = tarfile.TarInfo(f"training_set/mv_{movie:07d}.txt")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def as_tar(folder):
    folder.mkdir(parents=True)
    (folder / "training_set.tar").write_bytes(tar_of_movies("w"))


def as_distributed(folder):
    folder.mkdir(parents=True)
    inner = tar_of_movies("w")
    with tarfile.open(folder / "nf_prize_dataset.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("download/training_set.tar")
        info.size = len(inner)
        archive.addfile(info, io.BytesIO(inner))


@pytest.mark.parametrize("protocol", ["strong", "temporal"])
def test_netflix_is_the_same_in_every_form(protocol, tmp_path):
    spec = resolve("netflix", protocol=protocol, heldout_users=5, min_user_items=4)
    fingerprints = set()
    for form in (as_movie_files, as_combined_files, as_tar, as_distributed):
        form(tmp_path / form.__name__ / "netflix")
        (tmp_path / form.__name__ / "netflix" / "movie_titles.txt").write_text("1,1999,One, Two\n")
        dataset = data_prep.prepare(spec, str(tmp_path / form.__name__))
        fingerprints.add(dataset.fingerprint)
        assert "One, Two" in dataset.item_titles
    assert len(fingerprints) == 1
    assert dataset.counts["events"] == sum(
        rating > 3.5 and user in dataset_users(dataset) for user, _, rating, _ in RATINGS
    )


def dataset_users(dataset):
    every = [*dataset.train_user_ids, *dataset.validation.user_ids, *dataset.test.user_ids]
    return {int(user) for user in every}


@pytest.mark.parametrize("text", ["1:\n5,good,2005-01-01\n", "1:\n5,3\n", "5,3,2005-01-01\n", ""])
def test_a_bad_netflix_file_is_told(text, tmp_path):
    (tmp_path / "netflix").mkdir()
    (tmp_path / "netflix" / "mv_0000001.txt").write_text(text)
    with pytest.raises(DataError, match=r"mv_0000001.txt"):
        data_prep.prepare(resolve("netflix"), str(tmp_path))
    assert not (tmp_path / "netflix" / "prepared").exists()


def test_a_truncated_netflix_tar_is_told(tmp_path):
    as_tar(tmp_path / "netflix")
    path = tmp_path / "netflix" / "training_set.tar"
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(DataError, match="truncated"):
        data_prep.prepare(resolve("netflix"), str(tmp_path))


def triplets():
    return "".join(f"user{u:03d}\tSONG{m:03d}\t{r}\n" for u, m, r, _ in RATINGS)


def zip_triplets(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train_triplets.txt", triplets())


def test_msd_is_the_same_in_every_form_and_every_count_is_a_positive(tmp_path):
    spec = resolve("msd", heldout_users=5, min_item_users=10, min_user_items=5)
    writers = {
        "train_triplets.txt": lambda path: path.write_text(triplets()),
        "train_triplets.txt.gz": lambda path: path.write_bytes(gzip.compress(triplets().encode())),
        "train_triplets.txt.zip": zip_triplets,
    }
    fingerprints = set()
    for number, (name, write) in enumerate(writers.items()):
        folder = tmp_path / str(number) / "msd"
        folder.mkdir(parents=True)
        write(folder / name)
        dataset = data_prep.prepare(spec, str(tmp_path / str(number)))
        fingerprints.add(dataset.fingerprint)
    assert len(fingerprints) == 1
    users_of = np.bincount([m for _, m, _, _ in RATINGS])
    assert dataset.counts["events"] == sum(users_of[m] >= 10 for _, m, _, _ in RATINGS)


def test_movielens_finds_nothing_in_an_empty_folder(tmp_path):
    assert movielens.find(tmp_path) is None
