"""A study: named settings of the models that are trained and compared, and claims about them."""

import dataclasses
import hashlib
import json
import shlex
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
        data: the dataset and what overrides its own settings, by the names of the flags.
        overrides: what overrides the settings of the model's paper, likewise; without the seed.
        seed: of the run.
        folder: where it goes: `<root>/<model>/<hash of the flags>-seed<seed>`, the same from every study.
    """

    setting: Setting
    data: Flags
    overrides: Flags
    seed: int
    folder: RunFolder

    @property
    def command_line(self) -> str:
        """What the command line of the training command has to say."""
        flags = {"model": self.setting.model, **self.data, **self.overrides, "seed": self.seed}
        return shlex.join(f"--{name}={_as_text(value)}" for name, value in flags.items())


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_as_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def runs(study: Study, seeds: Sequence[int], data: Flags, common: Flags, root: Path) -> list[Run]:
    """The runs of a study on a dataset: all settings under the first seed, then under the next.

    Args:
        study: whose settings are to be trained.
        seeds: one run of every setting for each.
        data: the flags that say which data it is.
        common: flags of every training; those of a setting win over them.
        root: the folder of the dataset's runs.
    """

    def run(setting: Setting, seed: int) -> Run:
        overrides = {**common, **setting.flags}
        flags = {"model": setting.model, **data, **overrides}
        text = json.dumps({name: _as_text(value) for name, value in flags.items()}, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        return Run(setting, data, overrides, seed, RunFolder(root / setting.model / f"{digest}-seed{seed}"))

    return [run(setting, seed) for seed in seeds for setting in study.settings]
