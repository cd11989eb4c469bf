"""From a trained model to what TensorFlow Serving loads: `saved_models/<name>/<version>/`."""

import datetime
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
from multvae_tf.errors import RunError, check
from multvae_tf.files import sha256, sync, write_json
from multvae_tf.recommender_model import RecommenderModel
from multvae_tf.serving.autoencoder_module import AutoencoderModule
from multvae_tf.serving.items import Items
from multvae_tf.serving.manifest import MANIFEST, Manifest, versions_in
from multvae_tf.serving.module import ServingModule
from multvae_tf.serving.warmup import Request, write_warmup

_WARMUP_USERS = (1, 8, 32)
_WARMUP_ITEMS = 50
_PACKAGES = ("multvae-tf", "tensorflow", "keras", "numpy")
_PATTERN_CHARACTERS = "[]*?\\"

Signatures = dict[str, tf.types.experimental.ConcreteFunction]


def export_model(
    model: RecommenderModel,
    items: Items,
    folder: str | os.PathLike[str],
    *,
    top_k: int = 100,
    about: dict[str, Any] | None = None,
) -> Path:
    """Writes the next version of a served model, all of it or nothing.

    Args:
        model: its weights are copied.
        items: the catalogue, in the order of the model's items.
        folder: of the served model; its last part is the name under which it is served.
        top_k: how many items a recommendation holds.
        about: JSON values for the manifest.

    Returns:
        The version's folder, `folder/<version>`.

    Raises:
        SettingError: the name is no name, or `top_k` is less than 1.
        RunError: the folder cannot be written, scores are not finite, or see `ServingModule`.

    Examples:
        >>> from multvae_tf import Items, MultVAE
        >>> from multvae_tf.serving.export import export_model
        >>> items = Items.of(["a", "b"], None, [2, 1])
        >>> export_model(MultVAE(2), items, "saved_models/films")  # doctest: +SKIP
        PosixPath('saved_models/films/1')
    """
    parent = Path(folder)
    is_name = re.fullmatch(r"[A-Za-z_][\w.-]*", parent.name) is not None
    check(is_name, "name", repr(parent.name), "a letter, then letters, digits, - . and _ only")
    check(top_k >= 1, "top_k", top_k, "at least 1")
    path = str(parent.resolve())
    is_plain = not any(character in path for character in _PATTERN_CHARACTERS)
    check(is_plain, "folder", path, "without [ ] * ? and \\, which TensorFlow takes for a pattern")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # Servers load every folder whose name is a number, as soon as it appears.
        written = Path(tempfile.mkdtemp(prefix=".exporting-", dir=parent))
    except OSError as error:
        raise RunError(f"{parent} cannot be written: {error.strerror}") from error
    try:
        _write(written, parent.name, model, items, top_k, about or {})
        return _publish(written, parent)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise RunError(f"{parent} cannot be written: {reason}") from error
    finally:
        shutil.rmtree(written, ignore_errors=True)


def _write(
    folder: Path, name: str, model: RecommenderModel, items: Items, top_k: int, about: dict[str, Any]
) -> None:
    """Writes a version into a folder that no server sees yet."""
    items_csv = folder / "items.csv"
    kind = AutoencoderModule if isinstance(model, Autoencoder) else ServingModule
    module = kind(model, items, top_k, items_csv)
    items.write(items_csv)
    signatures = module.signatures()
    requests = _warmup_requests(items.ids.tolist(), module)
    _require_finite_scores(signatures, requests)
    tf.saved_model.save(module, str(folder), signatures=signatures)
    items_csv.unlink()
    write_warmup(folder, name, requests)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = Manifest(
        name=name,
        model=type(model).__name__,
        num_items=model.num_items,
        top_k=module.top_k,
        separator=module.separator,
        signatures={
            signature: {
                "inputs": {key: f"string [{', '.join('?' * rank)}]" for key, rank in ranks.items()},
                "outputs": _outputs_described(signatures[signature]),
            }
            for signature, ranks in module.input_ranks.items()
        },
        about=about,
        versions={package: version(package) for package in _PACKAGES},
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        sha256={str(path.relative_to(folder)): sha256(path) for path in files},
    )
    write_json(folder / MANIFEST, manifest)
    folder.chmod(0o755)
    for path in (*files, folder):
        sync(path)


def _require_finite_scores(signatures: Signatures, requests: Sequence[Request]) -> None:
    """Answers the warmup requests; finite weights may still overflow in a product.

    Raises:
        RunError: a score is not finite.
    """
    for signature, inputs in requests:
        tensors = {name: tf.constant(array, tf.string, array.shape) for name, array in inputs.items()}
        scores = signatures[signature](**tensors).get("scores")
        if scores is not None and not tf.reduce_all(tf.math.is_finite(scores)):
            raise RunError("the model's scores are not finite: its weights overflow; train it again")


def _warmup_requests(item_ids: Sequence[str], module: ServingModule) -> list[Request]:
    """Requests for every signature: one user and batches, short and long histories, an empty one."""
    rng = np.random.default_rng(0)
    requests: list[Request] = []
    for users in _WARMUP_USERS:
        length = min(_WARMUP_ITEMS, len(item_ids))
        history = np.array(item_ids, object)[rng.integers(len(item_ids), size=(users, length))]
        history[users // 2, 1:] = ""
        history[-1, : 1 if users > 1 else 0] = ""
        text = np.array([module.separator.join(row) for row in history], object)
        column = {"history": history}
        requests += [
            ("serving_default", column),
            ("recommend_excluding", {**column, "exclude": history[:, ::-1]}),
            ("recommend_text", {"history_text": text}),
            ("score_items", {**column, "candidates": history[:, :10]}),
            ("similar_items", {"item_id": history[:, 0]}),
            ("describe_items", {"item_id": history[:, 0]}),
        ]
        if "embed_user" in module.input_ranks:
            requests.append(("embed_user", column))
    requests.append(("serving_default", {"history": np.array([[""]], object)}))
    return requests


def _outputs_described(function: tf.types.experimental.ConcreteFunction) -> dict[str, str]:
    """Types and shapes of a signature's outputs, '?' for a size that a request chooses."""
    return {
        name: f"{tensor.dtype.name} [{', '.join(str(size or '?') for size in tensor.shape)}]"
        for name, tensor in sorted(function.structured_outputs.items())
    }


def _publish(folder: Path, parent: Path) -> Path:
    """Renames a finished folder to the next version number, also if another export takes one meanwhile."""
    while True:
        target = parent / str(max(versions_in(parent), default=0) + 1)
        try:
            # Fails if another export has taken the number meanwhile.
            os.rename(folder, target)
        except OSError:
            if not target.exists():
                raise
        else:
            return target
