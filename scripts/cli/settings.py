"""How a model's name, a dataset and what is overridden become the settings of a training."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from cli import models
from multvae_tf.autoencoder import MultinomialAutoencoder
from multvae_tf.config import Config
from multvae_tf.errors import RunError


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of a model and of its training.

    Attributes:
        training: how long and how the model is trained.
    """

    training: Config

    def new_model(self, num_items: int, num_train_users: int) -> MultinomialAutoencoder:
        """The model for a catalogue of `num_items` items, compiled, with its initial weights."""
        return self.training.resolve(num_train_users).build_model(num_items)


def names() -> dict[str, list[str]]:
    """The names of each model's settings."""
    return models.flag_names()


def resolve(model: str, dataset: str, overrides: Mapping[str, Any]) -> Settings:
    """The settings of the model's paper for the dataset, with what is overridden.

    Args:
        model: its name.
        dataset: its name; the papers have settings for some.
        overrides: values by name: JSON values, `auto` for what is found when the run begins.

    Raises:
        RunError: the model has no setting of that name, or the value is out of range.
    """
    config = models.PAPER_CONFIGS[model].get(dataset, models.OTHER_DATASETS[model])
    hints = typing.get_type_hints(type(config))
    for name in overrides:
        if name not in hints:
            raise RunError(f"{name} is not a setting of {model}; its settings are {', '.join(sorted(hints))}")
    fields = {name: _as_field(value) for name, value in overrides.items()}
    return Settings(dataclasses.replace(config, **fields))


def _as_field(value: Any) -> Any:
    return None if value == "auto" else tuple(value) if isinstance(value, list) else value
