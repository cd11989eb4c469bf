"""A study: named settings of the models that are trained and compared, and claims about them."""

import dataclasses
import hashlib
import json
import shlex
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from multvae_tf.errors import RunError
from multvae_tf.run import Run

Flags = dict[str, Any]
NamesRead = Callable[[str, Flags], Collection[str]]
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

    def only(self, names: Collection[str]) -> "Study":
        """The study of some of its settings, and of the claims about these alone.

        The base is the first of them if that of the whole study is not among them.

        Raises:
            RunError: the study has no setting of a name.
        """
        every = [setting.name for setting in self.settings]
        for name in names:
            if name not in every:
                raise RunError(f"{self.name} has no setting {name!r}; it has {'; '.join(every)}")
        kept = tuple(setting for setting in self.settings if setting.name in names)
        claims = [
            c for c in self.claims if {n for e in c.expectations for n in (e.setting, e.other)} <= {*names}
        ]
        base = self.base if self.base in names else kept[0].name
        return dataclasses.replace(self, base=base, settings=kept, claims=tuple(claims))


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedRun:
    """One training of a setting.

    Attributes:
        setting: what is trained.
        data: the dataset and what overrides its own settings, by the names of the flags.
        overrides: what overrides the settings of the model's paper, likewise; without the seed.
        seed: of the run; None for a model that draws nothing.
        run: where it goes: `<root>/<model>/<hash of the flags>-seed<seed>`, the same from every study.
    """

    setting: Setting
    data: Flags
    overrides: Flags
    seed: int | None
    run: Run

    @property
    def name(self) -> str:
        """How messages call it."""
        return self.setting.name if self.seed is None else f"{self.setting.name} (seed {self.seed})"

    @property
    def settings(self) -> Flags:
        """The overrides, and the seed if there is one."""
        return self.overrides | ({} if self.seed is None else {"seed": self.seed})

    @property
    def command(self) -> str:
        """The training command that does the same."""
        flags = {"model": self.setting.model, **self.data, **self.settings}
        words = [f"--{name}={_as_text(value)}" for name, value in flags.items()]
        return shlex.join(["python", "scripts/train.py", *words])


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_as_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def plan(
    study: Study, seeds: Sequence[int], data: Flags, common: Flags, root: Path, names_read: NamesRead
) -> list[PlannedRun]:
    """The runs of a study on a dataset: all settings under the first seed, then under the next.

    Args:
        study: whose settings are to be trained.
        seeds: one run of every setting for each; a model that draws nothing has one run.
        data: the flags that say which data it is.
        common: flags of every training, as far as its model reads them; those of a setting win over them.
        root: the folder of the dataset's runs.
        names_read: the flags that a model reads, given the flags of a setting.
    """
    planned = []
    for position, seed in enumerate(seeds):
        for setting in study.settings:
            read = names_read(setting.model, setting.flags)
            if "seed" in read or position == 0:
                overrides = {n: value for n, value in common.items() if n in read} | setting.flags
                run_seed = seed if "seed" in read else None
                flags = {"model": setting.model, **data, **overrides}
                text = json.dumps({name: _as_text(value) for name, value in flags.items()}, sort_keys=True)
                digest = hashlib.sha256(text.encode()).hexdigest()[:10]
                name = digest if run_seed is None else f"{digest}-seed{run_seed}"
                run = Run(root / setting.model / name)
                planned.append(PlannedRun(setting, data, overrides, run_seed, run))
    return planned
