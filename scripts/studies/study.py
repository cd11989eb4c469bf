"""A study: named settings of the models that are trained and compared, and claims about them."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from multvae_tf.run_folder import RunFolder

Flags = dict[str, Any]
EXPECTATIONS = ("better", "worse", "close")


@dataclasses.dataclass(frozen=True)
class Setting:
    """One row of the study.

    Attributes:
        name: how the report calls it.
        model: `--model` of the training command.
        flags: its other flags, those that make the setting.
        published: by metric, what a paper reports for it, if one does.
    """

    name: str
    model: str
    flags: Flags
    published: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Expectation:
    """That one setting's NDCG@100 is better or worse than another's, or close to it."""

    setting: str
    expected: str
    other: str


@dataclasses.dataclass(frozen=True)
class Claim:
    """A sentence of a paper that holds if all of its expectations do.

    Attributes:
        sentence: what is claimed.
        expectations: what it says of the settings.
        margin: how near to each other settings have to be to be `close`, in NDCG@100.
    """

    sentence: str
    expectations: tuple[Expectation, ...]
    margin: float


@dataclasses.dataclass(frozen=True)
class Study:
    """What is to be trained and compared.

    Attributes:
        name: of its file.
        title: heading of the report.
        varies: what differs between the settings, in words.
        source: of the published numbers.
        published_on: the dataset of the published numbers.
        base: the setting with which the others are compared.
        settings: in the order of the report.
        claims: to be checked.
    """

    name: str
    title: str
    varies: str
    source: str
    published_on: str
    base: str
    settings: tuple[Setting, ...]
    claims: tuple[Claim, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One training of a setting.

    Attributes:
        setting: what is trained.
        flags: of the training command, without the seed and the folder.
        seed: of the run.
        folder: where it goes: `<root>/<model>/<hash of the flags>-seed<seed>`, the same from every study.
    """

    setting: Setting
    flags: Flags
    seed: int
    folder: RunFolder

    @property
    def arguments(self) -> list[str]:
        """The flags and the seed as words of a command line."""
        return [f"--{name}={_as_text(value)}" for name, value in {**self.flags, "seed": self.seed}.items()]


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_as_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def runs(study: Study, seeds: Sequence[int], common: Flags, root: Path) -> list[Run]:
    """The runs of a study: all settings under the first seed, then under the next.

    Args:
        study: whose settings are to be trained; their own flags win over the common ones.
        seeds: one run of every setting for each.
        common: flags of every training command.
        root: the folder of the dataset's runs.
    """

    def run(setting: Setting, seed: int) -> Run:
        flags = {"model": setting.model, **common, **setting.flags}
        text = json.dumps({name: _as_text(value) for name, value in flags.items()}, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        return Run(setting, flags, seed, RunFolder(root / setting.model / f"{digest}-seed{seed}"))

    return [run(setting, seed) for seed in seeds for setting in study.settings]
