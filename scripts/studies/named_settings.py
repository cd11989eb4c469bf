"""What the flags of a study's setting mean to a model: which it reads, and what they come to."""

from collections.abc import Collection, Mapping
from typing import Any

from cli import settings

MODELS = tuple(settings.MODELS)


def resolved(model: str, dataset: str, flags: Mapping[str, Any]) -> settings.Settings:
    """The settings of the model's paper for the dataset, with what the flags override.

    Args:
        model: one of `MODELS`.
        dataset: its name.
        flags: JSON values by name; `auto` is what is found when the run begins.

    Raises:
        RunError: the model does not read one of the flags.
    """
    return settings.resolve(model, dataset, {name: _as_argument(value) for name, value in flags.items()})


def _as_argument(value: Any) -> Any:
    return None if value == "auto" else tuple(value) if isinstance(value, list) else value


def names_read(model: str, flags: Mapping[str, Any]) -> Collection[str]:
    """The names of the settings that the model reads, given these flags."""
    return settings.read_options(model, settings.chosen_parts(model, flags))
