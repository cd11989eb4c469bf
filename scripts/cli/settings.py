"""From names and values to a model and its training: what a command line or a settings file says, resolved.

A setting is an argument of the model's constructor, of an object that the model is handed (its beta,
likelihood, encoder or prior), or a field of `TrainingConfig`. A name means the same wherever it occurs, so
that a flat set of names and values says everything.
"""

import dataclasses
import importlib
import itertools
from collections.abc import Mapping
from typing import Any

import multvae_tf.papers
import recvae_tf.papers
from cli.signatures import Option, options_of
from multvae_tf.errors import RunError
from multvae_tf.papers import OTHER

# An object that a model is handed -> the names by which a command line knows it -> its class.
PARTS: dict[str, dict[str, str]] = {
    "likelihood": {
        "multinomial": "multvae_tf.losses:MultinomialLikelihood",
        "gaussian": "multvae_tf.losses:GaussianLikelihood",
        "logistic": "multvae_tf.losses:LogisticLikelihood",
    },
    "beta": {
        "linear": "multvae_tf.schedules:LinearAnnealing",
        "constant": "multvae_tf.schedules:ConstantBeta",
        "cyclical": "multvae_tf.schedules:CyclicalAnnealing",
        "per_user": "multvae_tf.schedules:PerUserBeta",
    },
    "encoder": {"dense": "recvae_tf.encoder:DenseEncoder", "mlp": "recvae_tf.encoder:MLPEncoder"},
    "prior": {
        "composite": "recvae_tf.prior:CompositePrior",
        "gaussian": "recvae_tf.prior:GaussianPrior",
        "mixture": "recvae_tf.mixtures:MixturePrior",
        "vamp": "recvae_tf.mixtures:VampPrior",
        "realnvp": "recvae_tf.flow:RealNVPPrior",
    },
}
PART_DESCRIPTIONS = {
    "likelihood": "How a user's items are thought to come from the decoder's output.",
    "beta": "How the weight of the KL term goes over users and updates.",
    "encoder": "The network that encodes a user: RecVAE's dense one, or Mult-VAE's multilayer perceptron.",
    "prior": "The prior of z: the paper's composite one, or one of those that it is compared with.",
}

VARIANT_DESCRIPTION = "Which of the authors' programs the settings follow, where those differ."


@dataclasses.dataclass(frozen=True)
class ModelEntry:
    """A model that the commands know.

    Attributes:
        path: its class.
        title: how people call it.
        parts: the objects that it is handed, by name, and which it has by default.
        variants: named settings of its authors' programs.
        is_trained: whether it is trained batch by batch; otherwise it is solved at once.
        has_precisions: whether its matrix products can be made in another precision.
    """

    path: str
    title: str
    parts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    is_trained: bool = True
    has_precisions: bool = True


_RECVAE_PARTS = {"encoder": "dense", "prior": "composite", "likelihood": "multinomial", "beta": "per_user"}
MODELS = {
    "multvae": ModelEntry(
        "multvae_tf.models:MultVAE", "Mult-VAE", {"likelihood": "multinomial", "beta": "linear"}
    ),
    "multdae": ModelEntry("multvae_tf.models:MultDAE", "Mult-DAE", {"likelihood": "multinomial"}),
    "recvae": ModelEntry("recvae_tf.model:RecVAE", "RecVAE", _RECVAE_PARTS, recvae_tf.papers.VARIANTS),
    "ease": ModelEntry("multvae_tf.linear.ease:EASE", "EASE", is_trained=False),
    "edlae": ModelEntry("multvae_tf.linear.ease:EDLAE", "EDLAE", is_trained=False),
    "rdlae": ModelEntry("multvae_tf.linear.ease:RDLAE", "RDLAE", is_trained=False),
    "elsa": ModelEntry("multvae_tf.linear.elsa:ELSA", "ELSA", has_precisions=False),
    "slim": ModelEntry("multvae_tf.linear.slim:SLIM", "SLIM", is_trained=False),
    "itemknn": ModelEntry("multvae_tf.baselines.item_knn:ItemKNN", "ItemKNN", is_trained=False),
    "popularity": ModelEntry("multvae_tf.baselines.popularity:Popularity", "popularity", is_trained=False),
    "wmf": ModelEntry("multvae_tf.baselines.wmf:WMF", "WMF", is_trained=False, has_precisions=False),
    "cdae": ModelEntry("multvae_tf.baselines.cdae:CDAE", "CDAE"),
    "warp": ModelEntry("multvae_tf.baselines.ranking_models:WARP", "WARP"),
    "lambdanet": ModelEntry("multvae_tf.baselines.ranking_models:LambdaNet", "LambdaNet", {"beta": "linear"}),
}
PAPERS = {**multvae_tf.papers.SETTINGS, **recvae_tf.papers.SETTINGS}
# The demo is in no paper: small enough for a minute on two cores.
_DEMO: dict[str, dict[str, Any]] = {
    "multvae": {"epochs": 50, "batch_size": 100, "total_anneal_steps": None},
    "multdae": {"epochs": 50, "batch_size": 100},
    "recvae": {"epochs": 20, "batch_size": 100},
    "elsa": {"epochs": 10, "batch_size": 100},
    "cdae": {"epochs": 20, "batch_size": 100},
    "warp": {"epochs": 10, "batch_size": 100},
    "lambdanet": {"epochs": 10, "batch_size": 100, "total_anneal_steps": None},
}
TRAINING = "multvae_tf.run.records:TrainingConfig"
PRECISIONS = {False: "float32", True: "mixed_bfloat16"}
_MIXED_PRECISION = Option(
    "mixed_precision",
    bool,
    False,
    False,
    False,
    "Whether matrix products are made in bfloat16, while weights, logits and loss stay in float32; not in "
    "the papers, and a gain only on processors with such products.",
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that a training is told, resolved.

    Attributes:
        model: a name of `MODELS`.
        parts: which of each part's kinds it has.
        values: of every option that is read, by name.
    """

    model: str
    parts: dict[str, str]
    values: dict[str, Any]

    def new_model(self, num_items: int) -> Any:
        """The model for a catalogue of `num_items` items, with its initial weights; imports TensorFlow.

        Raises:
            SettingError: a value is out of range.
        """
        entry = MODELS[self.model]
        parts = {part: self._made(PARTS[part][kind]) for part, kind in self.parts.items()}
        dtype = PRECISIONS[self.values.get("mixed_precision", False)]
        return self._made(entry.path, num_items=num_items, dtype=dtype, **parts)

    def training(self) -> Any:
        """The `TrainingConfig`; one epoch for a model that is solved at once. Imports TensorFlow.

        Raises:
            SettingError: a value is out of range.
        """
        return self._made(TRAINING) if MODELS[self.model].is_trained else self._made(TRAINING, epochs=1)

    def _made(self, path: str, **others: Any) -> Any:
        module, _, name = path.partition(":")
        arguments = {name: self.values[name] for name in options_of(path) if name in self.values}
        return getattr(importlib.import_module(module), name)(**arguments, **others)


def read_options(model: str, parts: Mapping[str, str]) -> dict[str, Option]:
    """The options that a model with these parts reads, by name: its own, its parts', then the training's."""
    paths = [MODELS[model].path, *(PARTS[part][kind] for part, kind in parts.items())]
    if MODELS[model].is_trained:
        paths.append(TRAINING)
    options = {name: option for path in paths for name, option in options_of(path).items()}
    has_precisions = MODELS[model].has_precisions and "seed" in options
    return options | ({"mixed_precision": _MIXED_PRECISION} if has_precisions else {})


def training_names() -> list[str]:
    """The options that say how a model is trained, not what it is."""
    return [*options_of(TRAINING), "seed", "mixed_precision"]


def every_option() -> dict[str, Option]:
    """The options of all models with all parts; one is open that is so in any of them."""
    found: dict[str, Option] = {}
    for model, entry in MODELS.items():
        choices = [{}, *({part: kind} for part in entry.parts for kind in PARTS[part])]
        for name, option in itertools.chain(*(read_options(model, parts).items() for parts in choices)):
            if name not in found or option.is_open:
                found[name] = option
    return found


def chosen_parts(model: str, given: Mapping[str, Any]) -> dict[str, str]:
    """Which kind of each part the model has, by what is given or by default."""
    return {part: given.get(part, default) for part, default in MODELS[model].parts.items()}


def resolve(
    model: str, dataset: str, given: Mapping[str, Any], stored: Mapping[str, Any] | None = None
) -> Settings:
    """What a training is told, from the weakest source to the strongest.

    These are the constructors' defaults, the paper's settings for the dataset, the variant, a settings file,
    and what is given. What is not read by the chosen model and parts is left out of the first ones, and
    refused in the last.

    Args:
        model: a name of `MODELS`.
        dataset: a name of the catalogue, or of other data.
        given: settings by name; also which parts, and `variant`.
        stored: likewise, of a settings file.

    Raises:
        RunError: a setting that is given is not read by this model with these parts.
    """
    entry, stored = MODELS[model], stored or {}
    parts = chosen_parts(model, {**stored, **given})
    options = read_options(model, parts)
    for name in given:
        if name not in options and name not in parts and not (name == "variant" and entry.variants):
            raise RunError(_unread(name, given[name], model, parts, options))
    variant = given.get("variant", stored.get("variant"))
    paper = {**PAPERS[model].get(dataset, PAPERS[model][OTHER])}
    if dataset == "demo":
        paper |= _DEMO.get(model, {})
    sources = [paper, entry.variants.get(variant, {}), stored, given]
    values = {name: option.default for name, option in options.items()}
    for source in sources:
        values |= {name: value for name, value in source.items() if name in options}
    return Settings(model, parts, values)


def _unread(
    name: str, value: Any, model: str, parts: Mapping[str, str], options: Mapping[str, Option]
) -> str:
    """Why a setting has no effect, and with what it would have one."""
    chosen = [f"--model={model}", *(f"--{part}={kind}" for part, kind in parts.items())]
    readers = []
    for other, entry in MODELS.items():
        if name in {**options_of(entry.path), **dict.fromkeys(entry.parts)}:
            readers.append(f"--model={other}")
        readers += [
            f"--{part}={kind}"
            for part in entry.parts
            for kind, path in PARTS[part].items()
            if name in options_of(path)
        ]
    if name == "variant":
        readers = [f"--model={other}" for other, entry in MODELS.items() if entry.variants]
    readers = list(dict.fromkeys(readers))
    return (
        f"--{name}={value} has no effect with {' '.join(chosen)}; it is read with {' or '.join(readers)}; "
        f"leave it out, or choose one of {', '.join(sorted(options))}"
    )


def flat_settings(model: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run as flat names and values: the inverse of making its model and training.

    Args:
        model: as `RunSettings.model` has it.
        training: as `RunSettings.training` has it, as a dictionary.

    Raises:
        RunError: it is no model that the commands know.
    """
    names = {entry.path.partition(":")[2]: name for name, entry in MODELS.items()}
    if model.get("class_name") not in names:
        raise RunError(f"the model is {model.get('class_name')!r}; the commands know {', '.join(names)}")
    name = names[model["class_name"]]
    flat: dict[str, Any] = {"model": name, **training}
    flat["mixed_precision"] = model["config"]["dtype"]["config"]["name"] == PRECISIONS[True]
    for option, value in model["config"].items():
        if option in MODELS[name].parts:
            kinds = {path.partition(":")[2]: kind for kind, path in PARTS[option].items()}
            flat[option] = kinds[value["class_name"]]
            known = options_of(PARTS[option][flat[option]])
            flat |= {key: inner for key, inner in value["config"].items() if key in known}
        elif option in options_of(MODELS[name].path):
            flat[option] = value
    return flat
