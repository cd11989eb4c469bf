"""From a trained model to what TensorFlow Serving loads: `saved_models/<name>/<version>/`."""

import csv
import datetime
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from multvae_tf.autoencoder import Autoencoder
from multvae_tf.errors import RunError
from multvae_tf.serving.items import Items
from multvae_tf.serving.module import INPUT_RANKS, ServingModule
from multvae_tf.serving.warmup import Request, write_warmup

MANIFEST = "manifest.json"
_WARMUP_USERS = (1, 8, 32)
_WARMUP_ITEMS = 50


def export_model(
    model: Autoencoder,
    items: Items,
    folder: str | os.PathLike[str],
    *,
    top_k: int = 100,
    about: dict[str, Any] | None = None,
) -> Path:
    """Writes `folder/<next version>/`, all of it or nothing."""
    parent = Path(folder)
    name = parent.name
    item_ids, titles, item_popularity = items.ids.tolist(), items.titles.tolist(), items.num_train_users
    if not re.fullmatch(r"[A-Za-z_][\w.-]*", name):
        raise RunError(f"name is {name!r}; it must begin with a letter and hold letters, digits, - . _ only")
    if top_k < 1:
        raise RunError(f"top_k is {top_k}; it must be at least 1")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # Servers load every folder whose name is a number, as soon as it appears.
        version_folder = Path(tempfile.mkdtemp(prefix=".exporting-", dir=parent))
    except OSError as error:
        raise RunError(f"{parent} cannot be written: {error.strerror}") from error
    try:
        items_csv = version_folder / "items.csv"
        module = ServingModule(model, item_ids, titles, item_popularity, top_k, items_csv)
        _write_items(items_csv, item_ids, titles)
        signatures = module.signatures()
        tf.saved_model.save(module, str(version_folder), signatures=signatures)
        items_csv.unlink()
        write_warmup(version_folder, name, _warmup_requests(item_ids, module.separator))
        _write_manifest(version_folder, name, module, model, signatures, about or {})
        version_folder.chmod(0o755)
        return _publish(version_folder, parent)
    except OSError as error:
        raise RunError(f"{parent} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(version_folder, ignore_errors=True)


def _write_items(path: Path, item_ids: Sequence[str], titles: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["item_id", "title"])
        writer.writerows(zip(item_ids, titles, strict=True))


def _warmup_requests(item_ids: Sequence[str], separator: str) -> list[Request]:
    """Requests for every signature: one user and batches, short and long histories, an empty one."""
    rng = np.random.default_rng(0)
    requests: list[Request] = []
    for users in _WARMUP_USERS:
        length = min(_WARMUP_ITEMS, len(item_ids))
        history = np.array(item_ids, object)[rng.integers(len(item_ids), size=(users, length))]
        history[users // 2, 1:] = ""
        history[-1, : 1 if users > 1 else 0] = ""
        text = np.array([separator.join(row) for row in history], object)
        column = {"history": history}
        requests += [
            ("serving_default", column),
            ("recommend_excluding", {**column, "exclude": history[:, ::-1]}),
            ("recommend_text", {"history_text": text}),
            ("score_items", {**column, "candidates": history[:, :10]}),
            ("embed_user", column),
            ("similar_items", {"item_id": history[:, 0]}),
            ("describe_items", {"item_id": history[:, 0]}),
        ]
    requests.append(("serving_default", {"history": np.array([[""]], object)}))
    return requests


def _write_manifest(
    folder: Path,
    name: str,
    module: ServingModule,
    model: Autoencoder,
    signatures: dict[str, tf.types.experimental.ConcreteFunction],
    about: dict[str, Any],
) -> None:
    """Writes what is in the folder, from what it was made, and the sha256 of each other file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = {
        "name": name,
        "model": type(model).__name__,
        "num_items": model.num_items,
        "top_k": module.top_k,
        "separator": module.separator,
        "signatures": {
            signature: {
                "inputs": {
                    key: f"string [{', '.join('?' * rank)}]" for key, rank in INPUT_RANKS[signature].items()
                },
                "outputs": {
                    key: f"{output.dtype.name} [{', '.join(str(size or '?') for size in output.shape)}]"
                    for key, output in sorted(function.structured_outputs.items())
                },
            }
            for signature, function in signatures.items()
        },
        **about,
        "versions": {package: version(package) for package in ("multvae-tf", "tensorflow", "keras", "numpy")},
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "sha256": {str(path.relative_to(folder)): _sha256(path) for path in files},
    }
    path = folder / MANIFEST
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _publish(folder: Path, parent: Path) -> Path:
    """Renames a finished folder to the next version number, also if another export takes one meanwhile."""
    while True:
        target = parent / str(max(_versions(parent), default=0) + 1)
        try:
            # Fails if another export has taken the number meanwhile.
            os.rename(folder, target)
        except OSError:
            if not target.exists():
                raise
        else:
            return target


def _versions(parent: Path) -> list[int]:
    return [int(path.name) for path in parent.glob("*") if path.name.isdecimal()]


def read_manifest(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The manifest of an exported version.

    Raises:
        RunError: the folder holds no exported version.
    """
    path = Path(folder, MANIFEST)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        newest = max(_versions(Path(folder)), default=None)
        wanted = "saved_models/<name>/<version>" if newest is None else f"such as {Path(folder, str(newest))}"
        raise RunError(f"{folder} holds no exported model: name a version's folder, {wanted}") from None
    except json.JSONDecodeError as error:
        raise RunError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from None
