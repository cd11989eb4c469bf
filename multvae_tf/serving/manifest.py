"""What lies in the folder of an exported version, and from what it was made; read without TensorFlow."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from multvae_tf.errors import RunError
from multvae_tf.files import as_record, read_json, sha256

MANIFEST = "manifest.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of manifest.json.

    Attributes:
        name: under which the model is served.
        model: the class of the model.
        num_items: size of the catalogue.
        top_k: how many items a recommendation holds.
        separator: of the ids in a history that is written in one string.
        signatures: name -> `inputs` and `outputs` -> name -> type and shape.
        about: from what the model was made.
        versions: of the packages that exported it.
        created: when, in UTC.
        sha256: of each other file, by its path in the folder.
    """

    name: str
    model: str
    num_items: int
    top_k: int
    separator: str
    signatures: dict[str, dict[str, dict[str, str]]]
    about: dict[str, Any]
    versions: dict[str, str]
    created: str
    sha256: dict[str, str]

    @property
    def identity(self) -> str:
        """A hash of all this, and so of all files: it tells this version from any other."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def versions_in(folder: Path) -> list[int]:
    """The version numbers in the folder of a served model."""
    return [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]


def read_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """The manifest of an exported version.

    Raises:
        RunError: the folder holds no exported version, or its manifest is damaged.
    """
    path = Path(folder, MANIFEST)
    try:
        return as_record(Manifest, read_json(path), str(path))
    except FileNotFoundError:
        newest = max(versions_in(Path(folder)), default=None)
        wanted = "saved_models/<name>/<version>" if newest is None else f"such as {Path(folder, str(newest))}"
        raise RunError(f"{folder} holds no exported model: name a version's folder, {wanted}") from None


def verified_manifest(folder: str | os.PathLike[str]) -> Manifest:
    """The manifest of an exported version, of which every file is as it was exported.

    Raises:
        RunError: see `read_manifest`; or a file is missing, was changed, or was added.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    found.pop(MANIFEST)
    for name in sorted({*found, *manifest.sha256}):
        if name not in found:
            raise RunError(f"{folder / name} is missing: export the model again")
        if sha256(found[name]) != manifest.sha256.get(name):
            raise RunError(f"{folder / name} is not what was exported: export the model again")
    return manifest
