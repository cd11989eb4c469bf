"""Studies as JSON files: where they lie, what they may say, and complaints about those that say otherwise."""

import itertools
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NoReturn

from multvae_tf.errors import RunError
from multvae_tf.papers import PUBLISHED
from multvae_tf.ranking import REPORTED_METRICS
from studies.study import EXPECTATIONS, Claim, Expectation, Flags, Setting, Study

Check = Callable[[str, str, Flags], object]

_STUDY: tuple[dict[str, type], Flags] = (
    {"title": str, "varies": str, "model": str, "base": str, "settings": list},
    {"source": "", "published_on": "", "switches": [], "claims": []},
)
_SWITCH: tuple[dict[str, type], Flags] = ({"name": str}, {"on": {}, "off": {}})
_SETTING: tuple[dict[str, type], Flags] = (
    {"name": str},
    {"model": "", "flags": {}, "on": [], "published": {}, "published_as": ""},
)
_CLAIM: tuple[dict[str, type], Flags] = ({"sentence": str, "expected": list}, {"margin": 0.0})
_OTHERWISE_PUBLISHED_ON = "ml20m"


def find(name_or_path: str, folder: Path) -> Path:
    """The file of a study: the name of one in the folder, or its path.

    Raises:
        RunError: there is none of this name.
    """
    if name_or_path.endswith(".json"):
        return Path(name_or_path)
    names = sorted(path.stem for path in folder.glob("*.json"))
    if name_or_path not in names:
        raise RunError(f"there is no study {name_or_path!r}: name one of {', '.join(names)}, or a .json file")
    return folder / f"{name_or_path}.json"


def load(path: Path, dataset: str, models: Collection[str], check: Check, *, full: bool = False) -> Study:
    """Reads a study.

    Args:
        path: of the file; its fields are those of `Study`, `Setting` and `Claim`. A setting has its flags
            from the study's switches, each `on` or off, and then from its own `flags`; its published numbers
            are given, or are those of a model of `papers.PUBLISHED`, `published_as`.
        dataset: on which published results are wanted; those on ML-20M are taken where it has none.
        models: the names of the models.
        check: is called with the model, the dataset and the flags of each setting; raises `RunError` if the
            model cannot have them.
        full: add the combinations of switches that are missing.

    Raises:
        RunError: the file is missing or says what cannot be; the message names file, field and value.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing: it should hold the study") from None
    except ValueError as error:
        raise RunError(f"{path} is not JSON: {error}") from None
    return _Reader(path, content, dataset, models, check).study(full)


class _Reader:
    """Makes a study of the content of a file, and complains in its name."""

    def __init__(self, path: Path, content: Any, dataset: str, models: Collection[str], check: Check):
        self._path = path
        self._dataset = dataset
        self._models = models
        self._check = check
        self._top = self._fields(content, "the study", *_STUDY)
        default = dataset if dataset in PUBLISHED else _OTHERWISE_PUBLISHED_ON
        self._published_on = self._one_of(self._top["published_on"] or default, "published_on", PUBLISHED)
        switches = [self._fields(s, f"switches[{i}]", *_SWITCH) for i, s in enumerate(self._top["switches"])]
        self._switches = {switch["name"]: switch for switch in switches}

    def study(self, full: bool) -> Study:
        settings = [self._setting(s, f"settings[{i}]") for i, s in enumerate(self._top["settings"])]
        for one, other in itertools.combinations(settings, 2):
            if one.name == other.name:
                self._complain("settings", one.name, "the name of one setting only")
            if (one.model, one.flags) == (other.model, other.flags):
                self._complain(f"settings: flags of {other.name}", other.flags, f"unlike those of {one.name}")
        if full:
            settings += self._missing_combinations(settings)
        if not self._top["source"] and any(setting.published for setting in settings):
            self._complain("source", "", "given, as there are published numbers")
        names = [setting.name for setting in settings]
        return Study(
            name=self._path.stem,
            title=self._top["title"],
            varies=self._top["varies"],
            source=self._top["source"],
            published_on=self._published_on,
            base=self._one_of(self._top["base"], "base", names),
            settings=tuple(settings),
            claims=tuple(self._claim(c, f"claims[{i}]", names) for i, c in enumerate(self._top["claims"])),
        )

    def _missing_combinations(self, settings: list[Setting]) -> list[Setting]:
        names = list(self._switches)
        subsets = itertools.chain(*(itertools.combinations(names, n) for n in range(len(names) + 1)))
        combinations = [
            self._setting({"name": " + ".join(subset) or "none of them", "on": list(subset)}, "--full")
            for subset in subsets
        ]
        present = [(setting.model, setting.flags) for setting in settings]
        return [setting for setting in combinations if (setting.model, setting.flags) not in present]

    def _setting(self, content: Any, where: str) -> Setting:
        fields = self._fields(content, where, *_SETTING)
        for name in fields["on"]:
            self._one_of(name, f"{where}.on", self._switches)
        model = self._one_of(fields["model"] or self._top["model"], f"{where}.model", self._models)
        flags: Flags = {}
        for name, switch in self._switches.items():
            flags |= switch["on" if name in fields["on"] else "off"]
        flags |= fields["flags"]
        try:
            self._check(model, self._dataset, flags)
        except RunError as error:
            raise RunError(f"{self._path}: {where}.flags: {error}") from None
        published = fields["published"]
        if row := fields["published_as"]:
            numbers = PUBLISHED[self._published_on]
            self._one_of(row, f"{where}.published_as", {name for rows in PUBLISHED.values() for name in rows})
            if row in numbers:
                published = dict(zip(REPORTED_METRICS, numbers[row], strict=True))
        for metric, value in published.items():
            self._one_of(metric, f"{where}.published", REPORTED_METRICS)
            if not isinstance(value, float):
                self._complain(f"{where}.published.{metric}", value, "a number")
        return Setting(fields["name"], model, flags, published)

    def _claim(self, content: Any, where: str, names: Collection[str]) -> Claim:
        fields = self._fields(content, where, *_CLAIM)
        if not fields["margin"] >= 0:
            self._complain(f"{where}.margin", fields["margin"], "at least 0")
        for words in fields["expected"]:
            if not (isinstance(words, list) and len(words) == 3):
                self._complain(f"{where}.expected", words, "lists of a setting, what it is, than or to which")
            self._one_of(words[0], f"{where}.expected", names)
            self._one_of(words[1], f"{where}.expected", EXPECTATIONS)
            self._one_of(words[2], f"{where}.expected", names)
        return Claim(fields["sentence"], tuple(Expectation(*w) for w in fields["expected"]), fields["margin"])

    def _fields(self, content: Any, where: str, required: dict[str, type], optional: Flags) -> Flags:
        """An object's fields, the optional ones filled in, each of the right type."""
        if not isinstance(content, dict):
            self._complain(where, content, "an object")
        kinds = required | {name: type(value) for name, value in optional.items()}
        for name in content:
            self._one_of(name, f"a field of {where}", kinds)
        fields = optional | content
        for name, kind in kinds.items():
            if not isinstance(fields.get(name), kind):
                self._complain(f"{name} of {where}", fields.get(name), f"of type {kind.__name__}")
        return fields

    def _one_of(self, value: Any, field: str, options: Collection[str]) -> Any:
        if value not in list(options):
            self._complain(field, value, f"one of {', '.join(options)}")
        return value

    def _complain(self, field: str, value: Any, expected: str) -> NoReturn:
        raise RunError(f"{self._path}: {field} is {value!r}; it must be {expected}")
