"""What a run shows to people: the table beside the papers, the curves, and the model card."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.figure

from multvae_tf.autoencoder import REPORTED_METRICS
from multvae_tf.evaluation import Estimate
from multvae_tf.run_folder import RunFolder, write_atomically
from multvae_tf.training import MONITORED, read_history

# NDCG@100, Recall@20, Recall@50 on the test users of the strong protocol: Liang et al. 2018, table 2
# (Mult-VAE, Mult-DAE, WMF, SLIM, CDAE), and Shenbin et al. 2020, table 1 (the others).
PUBLISHED: dict[str, dict[str, tuple[float, float, float]]] = {
    "ml20m": {
        "Mult-VAE": (0.426, 0.395, 0.537),
        "Mult-DAE": (0.419, 0.387, 0.524),
        "RecVAE": (0.442, 0.414, 0.553),
        "RaCT": (0.434, 0.403, 0.543),
        "LambdaNet": (0.427, 0.395, 0.534),
        "EASE": (0.420, 0.391, 0.521),
        "CDAE": (0.418, 0.391, 0.523),
        "SLIM": (0.401, 0.370, 0.495),
        "WMF": (0.386, 0.360, 0.498),
        "WARP": (0.341, 0.314, 0.466),
    },
    "netflix": {
        "Mult-VAE": (0.386, 0.351, 0.444),
        "Mult-DAE": (0.380, 0.344, 0.438),
        "RecVAE": (0.394, 0.361, 0.452),
        "RaCT": (0.392, 0.357, 0.450),
        "LambdaNet": (0.386, 0.352, 0.441),
        "EASE": (0.393, 0.362, 0.445),
        "CDAE": (0.376, 0.343, 0.428),
        "SLIM": (0.379, 0.347, 0.428),
        "WMF": (0.351, 0.316, 0.404),
        "WARP": (0.306, 0.270, 0.365),
    },
    "msd": {
        "Mult-VAE": (0.316, 0.266, 0.364),
        "Mult-DAE": (0.313, 0.266, 0.363),
        "RecVAE": (0.326, 0.276, 0.374),
        "RaCT": (0.319, 0.268, 0.364),
        "LambdaNet": (0.308, 0.259, 0.355),
        "EASE": (0.389, 0.333, 0.428),
        "CDAE": (0.237, 0.188, 0.283),
        "WMF": (0.257, 0.211, 0.312),
        "WARP": (0.249, 0.206, 0.302),
    },
}


def json_name(metric: str) -> str:
    """The key of a metric in metrics.json: NDCG@100 is ndcg_at_100."""
    return metric.lower().replace("@", "_at_")


def estimates_to_json(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    """Estimates by metric, as metrics.json has them."""
    return {json_name(m): {"mean": e.mean, "standard_error": e.standard_error} for m, e in estimates.items()}


def estimates_from_json(content: Mapping[str, Mapping[str, float]]) -> dict[str, Estimate]:
    """The inverse of `estimates_to_json`."""
    return {m: Estimate(**content[json_name(m)]) for m in REPORTED_METRICS}


def results_table(rows: Mapping[str, Mapping[str, Estimate]], dataset: str, protocol: str) -> str:
    """A Markdown table of our results, above the published ones where there are any for the dataset.

    Args:
        rows: estimates by the name of their row.
        dataset: its name in the catalogue; others have no published results.
        protocol: published results are those of the strong protocol.
    """
    lines = [" | ".join(["result", *REPORTED_METRICS]), " | ".join(["---"] * (len(REPORTED_METRICS) + 1))]
    lines += [" | ".join([name, *(str(row[m]) for m in REPORTED_METRICS)]) for name, row in rows.items()]
    published = PUBLISHED.get(dataset, {}) if protocol == "strong" else {}
    for name, (ndcg, recall_20, recall_50) in published.items():
        lines.append(f"{name}, published | {ndcg:.3f} | {recall_20:.3f} | {recall_50:.3f}")
    return "\n".join(f"| {line} |" for line in lines)


def write_curves(folder: RunFolder) -> None:
    """Draws curves.png from history.csv: the losses, the KL weight and the validation metrics by epoch."""
    history = read_history(folder)
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
            best = max(history, key=lambda row: row[MONITORED])
            axes.axvline(best["epoch"], color="grey", linestyle=":", label=f"best epoch {best['epoch']}")
        axes.set(title=title, xlabel="epoch")
        axes.grid(alpha=0.3)
        if len(names) > 1:
            axes.legend()
    write_atomically(folder.curves_path, lambda path: figure.savefig(path, dpi=120))


def write_card(folder: RunFolder) -> None:
    """Writes the model card, README.md, of a finished run from its config.json and metrics.json."""
    settings, metrics = folder.read_settings(), folder.read_metrics()
    dataset, versions = settings["dataset"], settings["versions"]
    table = results_table(
        {f"{part}, this run": estimates_from_json(metrics[part]) for part in ("test", "validation")},
        dataset["name"],
        dataset["protocol"],
    )
    config = "\n".join(f"| {name} | {value} |" for name, value in settings["config"].items())
    text = f"""# {metrics["model"]} on {dataset["name"]}

Mean over held-out users, standard error over users in brackets; seed {metrics["seed"]}, weights of epoch \
{metrics["best_epoch"]}, the best by validation NDCG@100.

{table}

![Loss, KL divergence, beta and validation metrics by epoch]({folder.curves_path.name})

## Made by

```
{settings["command"]}
```

- Data: {dataset["name"]}, {dataset["protocol"]} protocol, {dataset["num_train_users"]:,} training users, \
{dataset["num_items"]:,} items; sha256 of its contents `{dataset["fingerprint"]}`
- Versions: {", ".join(f"{name} {version}" for name, version in versions.items())}
- Hardware: {metrics["hardware"]}; {metrics["users_per_second"]:,.0f} users/s in training, \
{metrics["seconds"]:,.0f} s of training, peak memory {metrics["peak_memory_bytes"] / 2**20:,.0f} MiB

| setting | value |
| --- | --- |
{config}

## Limits

The model ranks the items of its training catalogue from a bag of positive interactions. It knows no order, no
context and no new items, and it follows the tastes and the omissions of the people in its data.
"""
    write_atomically(folder.card_path, lambda path: Path(path).write_text(text, encoding="utf-8"))
