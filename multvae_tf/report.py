"""What a run shows to people: the table beside the papers, the curves, and the model card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.figure

from multvae_tf.evaluation import Estimate
from multvae_tf.files import write_atomically
from multvae_tf.papers import PUBLISHED
from multvae_tf.ranking import MONITORED, REPORTED_METRICS
from multvae_tf.run import DataInfo, Run


def results_table(rows: Mapping[str, Mapping[str, Estimate]], data: DataInfo) -> str:
    """A Markdown table of our results, above the published ones where there are any for the dataset.

    Args:
        rows: estimates by the name of their row.
        data: the dataset; published results are those of the strong protocol.
    """
    lines = [" | ".join(["result", *REPORTED_METRICS]), " | ".join(["---"] * (len(REPORTED_METRICS) + 1))]
    lines += [" | ".join([name, *(str(row[m]) for m in REPORTED_METRICS)]) for name, row in rows.items()]
    published = PUBLISHED.get(data.published_as, {}) if data.protocol == "strong" else {}
    for name, (ndcg, recall_20, recall_50) in published.items():
        lines.append(f"{name}, published | {ndcg:.3f} | {recall_20:.3f} | {recall_50:.3f}")
    return "\n".join(f"| {line} |" for line in lines)


def result_rows(run: Run) -> dict[str, Mapping[str, Estimate]]:
    """The rows of a finished run for `results_table`."""
    metrics = run.metrics
    rows: dict[str, Mapping[str, Estimate]] = {}
    if metrics.test is not None:
        rows["test, this run"] = metrics.test
    rows["validation, this run"] = metrics.validation
    rows["test, popularity" if metrics.test is not None else "validation, popularity"] = metrics.popularity
    return rows


def write_curves(run: Run) -> None:
    """Draws curves.png from history.csv: the losses, the KL weight and the validation metrics by epoch."""
    history = run.history
    epochs = [row["epoch"] for row in history]
    all_panels: dict[str, list[str]] = {
        "loss per user (nats)": [name for name in ("loss", "nll") if name in history[0]],
        "KL divergence (nats)": [name for name in ("kl",) if name in history[0]],
        "beta": [name for name in ("beta",) if name in history[0]],
        "validation": [name for name in history[0] if name.startswith("val_")],
    }
    panels = {title: names for title, names in all_panels.items() if names}
    figure = matplotlib.figure.Figure(figsize=(4.2 * len(panels), 3.4), layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, names) in zip(all_axes, panels.items(), strict=True):
        for name in names:
            axes.plot(epochs, [row[name] for row in history], label=name.removeprefix("val_"))
        if title == "validation":
            best = max(history, key=lambda row: row[f"val_{MONITORED}"])
            axes.axvline(best["epoch"], color="grey", linestyle=":", label=f"best epoch {best['epoch']}")
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
        if len(names) > 1:
            axes.legend()
    write_atomically(run.curves_path, lambda path: figure.savefig(path, dpi=120))


def write_card(run: Run) -> None:
    """Writes the model card, README.md, of a finished run from its settings and metrics."""
    settings, metrics, data = run.settings, run.metrics, run.settings.data
    model_name, config = settings.model["class_name"], settings.model["config"]
    options = {**_options(config), **vars(settings.training)}
    table = "\n".join(f"| {name} | {_text(value)} |" for name, value in options.items())
    versions = ", ".join(f"{name} {version}" for name, version in settings.versions.items())
    text = f"""# {model_name} on {_text(data.name)}

Mean over held-out users, standard error over users in brackets; seed {config["seed"]}, weights of epoch \
{metrics.best_epoch}, the best by validation NDCG@100.

{results_table(result_rows(run), data)}

![Loss, KL divergence, beta and validation metrics by epoch]({run.curves_path.name})

## Made by

```
{settings.command or "multvae_tf.train(...), from Python"}
```

- Data: {_text(data.name)}{f", {data.protocol} protocol" if data.protocol else ""}, \
{settings.num_train_users:,} training users, {config["num_items"]:,} items\
{f"; sha256 of its contents `{data.fingerprint}`" if data.fingerprint else ""}
- Versions: {versions}
- Hardware: {metrics.hardware}; {metrics.users_per_second:,.0f} users/s in training, \
{metrics.seconds:,.0f} s of training, peak memory {metrics.peak_memory_bytes / 2**20:,.0f} MiB

| setting | value |
| --- | --- |
{table}

## Limits

The model ranks the items of its training catalogue from a bag of positive interactions. It knows no order, no
context and no new items, and it follows the tastes and the omissions of the people in its data.
"""
    write_atomically(run.card_path, lambda path: Path(path).write_text(text, encoding="utf-8"))


def _options(config: Mapping[str, Any]) -> dict[str, Any]:
    """A constructor's arguments; an object among them as its class and its own arguments."""
    options: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping) and "class_name" in value:
            inner = ", ".join(f"{key}={_shown(item)}" for key, item in _options(value["config"]).items())
            options[name] = f"{value['class_name']}({inner})"
        elif name not in ("trainable", "num_items"):
            options[name] = value
    if isinstance(config.get("dtype"), Mapping):
        options["dtype"] = config["dtype"]["config"].get("name")
    return options


def _shown(value: Any) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, (list, tuple)) else str(value)


def _text(value: Any) -> str:
    """A value as text in a Markdown table: neither HTML nor another column."""
    text = _shown(value).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
    return " ".join(text.split())
