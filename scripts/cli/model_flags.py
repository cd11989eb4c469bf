"""The flags that choose a model and its settings, made from the constructors' signatures."""

from collections.abc import Sequence
from typing import Any

from absl import flags

from cli.command_line import flag_group
from cli.settings import (
    MODELS,
    PART_DESCRIPTIONS,
    PARTS,
    VARIANT_DESCRIPTION,
    Settings,
    chosen_parts,
    every_option,
    read_options,
    resolve,
    training_names,
)
from cli.signatures import Option

FLAGS = flags.FLAGS
flags.disclaim_key_flags()

_OLD_NAMES = {"early_stopping_patience": "patience"}


class _Value(flags.ArgumentParser):
    """One value of an option, or several with commas between them, or `auto` where it may be left open."""

    def __init__(self, option: Option):
        self._option = option
        kind = {int: "a whole number", float: "a number", str: "a word"}[option.kind]
        several = {int: "whole numbers", float: "numbers", str: "words"}[option.kind]
        self.syntactic_help = f"{several} with commas between them" if option.is_list else kind
        if option.is_open:
            self.syntactic_help += " or auto"

    def parse(self, argument: Any) -> Any:
        if self._option.is_open and argument in (None, "auto"):
            return None
        try:
            if self._option.is_list:
                return tuple(self._option.kind(part) for part in str(argument).split(",") if part)
            return self._option.kind(argument)
        except ValueError:
            raise ValueError(f"expected {self.syntactic_help}") from None


def define(*, default_model: str = "multvae") -> None:
    """Defines --model, a flag for each part of a model, --variant, and one for each option of any of them."""
    training = training_names()
    with flag_group("model"):
        flags.DEFINE_enum("model", default_model, list(MODELS), "The model to train.")
        for part, kinds in PARTS.items():
            flags.DEFINE_enum(part, None, list(kinds), PART_DESCRIPTIONS[part])
        variants = {name: None for entry in MODELS.values() for name in entry.variants}
        flags.DEFINE_enum(
            "variant",
            None,
            list(variants),
            VARIANT_DESCRIPTION,
        )
        _define_options([option for name, option in every_option().items() if name not in training])
    with flag_group("training"):
        _define_options([option for name, option in every_option().items() if name in training])
    for old, name in _OLD_NAMES.items():
        flags.DEFINE_alias(old, name)


def _define_options(options: Sequence[Option]) -> None:
    for option in options:
        if option.kind is bool:
            flags.DEFINE_bool(option.name, None, option.description)
        else:
            serializer = flags.ArgumentSerializer()
            flags.DEFINE(_Value(option), option.name, None, option.description, serializer=serializer)


def given() -> dict[str, Any]:
    """The settings that the command line gives, by name."""
    names = [*PARTS, "variant", *every_option()]
    return {name: FLAGS[name].value for name in dict.fromkeys(names) if FLAGS[name].present}


def settings(dataset: str, stored: dict[str, Any] | None = None) -> Settings:
    """The settings of --model for a dataset: the papers', then those of a settings file, then the flags.

    Raises:
        RunError: a flag has no effect on the chosen model.
    """
    model = FLAGS.model
    if stored and not FLAGS["model"].present:
        model = stored.get("model", model)
    return resolve(model, dataset, given(), stored)


def described(name: str) -> tuple[str, str] | None:
    """The description and the default of a flag for the chosen model; None if the model does not read it."""
    model, dataset = FLAGS.model, FLAGS.dataset if "dataset" in FLAGS else ""
    parts = chosen_parts(model, given())
    if name == "model":
        return f"The model to train: {', '.join(MODELS)}. What follows is for {MODELS[model].title}.", model
    if name in PARTS:
        if name not in parts:
            return None
        return f"{PART_DESCRIPTIONS[name]} One of {', '.join(PARTS[name])}.", parts[name]
    if name == "variant":
        variants = list(MODELS[model].variants)
        return (f"{VARIANT_DESCRIPTION} One of {', '.join(variants)}.", variants[0]) if variants else None
    options = read_options(model, parts)
    if name not in options:
        return None
    value = resolve(model, dataset, given()).values[name]
    return options[name].description, _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
