"""The models by name: their flags, made from the fields of their configurations, and how a run is opened."""

import dataclasses
import inspect
import re
import types
import typing
from typing import Any

from absl import flags

import multvae_tf.config
import recvae_tf.config
from cli import tensorflow_setup  # noqa: F401  (before anything that imports TensorFlow)
from multvae_tf.autoencoder import MultinomialAutoencoder
from multvae_tf.config import Config
from multvae_tf.errors import RunError
from multvae_tf.run_folder import RunFolder

flags.disclaim_key_flags()

PAPER_CONFIGS = {**multvae_tf.config.PAPER_CONFIGS, **recvae_tf.config.PAPER_CONFIGS}
OTHER_DATASETS = {**multvae_tf.config.OTHER_DATASETS, **recvae_tf.config.OTHER_DATASETS}

_DEFINE = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    tuple: flags.DEFINE_list,
}


class _NumberOrAuto(flags.ArgumentParser):
    """A number, or `auto`, which is None: found when the run begins."""

    def __init__(self, number: type):
        self._number = number
        self.syntactic_help = "a number or auto"

    def parse(self, argument: Any) -> Any:
        if argument in (None, "auto"):
            return None
        try:
            return self._number(argument)
        except ValueError:
            raise ValueError(f"expected {self.syntactic_help}") from None


def _define_flag(name: str, annotation: Any, text: str) -> None:
    """A flag for a field of this annotation; its value is None until it is given."""
    if isinstance(annotation, types.UnionType):
        number = next(a for a in typing.get_args(annotation) if a is not type(None))
        flags.DEFINE(_NumberOrAuto(number), name, None, text)
    else:
        _DEFINE[typing.get_origin(annotation) or annotation](name, None, text)


def _descriptions(config_class: type) -> dict[str, str]:
    """What the "Attributes:" sections of a configuration and its bases say of each field."""
    found: dict[str, str] = {}
    for base in reversed(config_class.__mro__):
        section = (inspect.cleandoc(base.__doc__ or "")).partition("Attributes:")[2]
        for name, text in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE):
            found[name] = " ".join(text.split())
    return found


def define_flags() -> None:
    """Defines --model and a flag for each field of a configuration; one not given leaves it be."""
    flags.DEFINE_enum("model", "multvae", sorted(OTHER_DATASETS), "Which model to train.")
    fields: dict[str, tuple[Any, list[str], str]] = {}
    for model, config in OTHER_DATASETS.items():
        descriptions = _descriptions(type(config))
        hints = typing.get_type_hints(type(config))
        for field in dataclasses.fields(config):
            _, models, _ = fields.setdefault(field.name, (hints[field.name], [], descriptions[field.name]))
            default = getattr(config, field.name)
            models.append(f"{model} {'auto' if default is None else default}")
    for name, (annotation, models, text) in fields.items():
        _define_flag(
            name, annotation, f"{text} Default: the paper's for the dataset, otherwise {', '.join(models)}."
        )


def flag_names() -> dict[str, list[str]]:
    """The flags that set the fields of each model's configuration."""
    return {model: [f.name for f in dataclasses.fields(config)] for model, config in OTHER_DATASETS.items()}


def config_from_flags(dataset: str) -> Config:
    """The paper's configuration of --model for the dataset, with the flags that were given.

    Raises:
        RunError: a flag is not one of the model, or its value is out of range.
    """
    model = flags.FLAGS.model
    config = PAPER_CONFIGS[model].get(dataset, OTHER_DATASETS[model])
    return dataclasses.replace(config, **given_fields(model))


def given_fields(model: str) -> dict[str, Any]:
    """The configuration fields that the command line sets.

    Raises:
        RunError: one of them is not a field of the model's configuration.
    """
    names = flag_names()
    own, every = set(names[model]), set().union(*names.values())
    given = {}
    for name in sorted(every):
        if not flags.FLAGS[name].present:
            continue
        if name not in own:
            raise RunError(f"--{name} is not a setting of {model}; its settings are {', '.join(sorted(own))}")
        value = flags.FLAGS[name].value
        hint = typing.get_type_hints(type(OTHER_DATASETS[model]))[name]
        given[name] = _numbers(name, hint, value) if isinstance(value, list) else value
    return given


def _numbers(name: str, hint: Any, values: list[str]) -> tuple[float, ...]:
    """The tuple that a list flag describes, of the type that the field's annotation gives."""
    number = typing.get_args(hint)[0]
    try:
        return tuple(number(value) for value in values)
    except ValueError:
        raise RunError(f"--{name} is {','.join(values)}; it must be numbers separated by commas") from None


def stored_config(settings: dict[str, Any]) -> Config:
    """The configuration of a run from its settings."""
    return type(OTHER_DATASETS[settings["model"]]).from_json(settings["config"])


def load_model(folder: RunFolder) -> MultinomialAutoencoder:
    """The model of a run with its best weights.

    Raises:
        RunError: the folder holds no run, or none that has finished an epoch.
    """
    settings = folder.read_settings()
    model = stored_config(settings).new_model(settings["dataset"]["num_items"])
    if not folder.weights_path.exists():
        raise RunError(f"{folder.folder} holds a run without weights: continue it with --resume")
    model.load_weights(folder.weights_path)
    return model
