"""A page that shows how beta grows under each schedule, over the updates of Mult-VAE on ML-20M."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from multvae_tf.schedules import (
    BetaSchedule,
    ConstantBeta,
    CyclicalAnnealing,
    LinearAnnealing,
    PerUserBeta,
)
from studies import figures
from studies.page import Page

_ML20M_UPDATES = 200 * 234
_NUMBERS_OF_INTERACTIONS = (10, 50, 200)
_STEPS_DRAWN = 400
_SCHEDULES = {
    "linear to 0.2": LinearAnnealing(total_anneal_steps=200_000, anneal_cap=0.2),
    "constant": ConstantBeta(0.2),
    "cyclical, cap 1": CyclicalAnnealing(_ML20M_UPDATES),
    "cyclical, ramp to 0.2": CyclicalAnnealing(_ML20M_UPDATES, anneal_cap=0.2),
    "cyclical, clipped at 0.2": CyclicalAnnealing(_ML20M_UPDATES, anneal_cap=0.2, cyclical_cap="clip"),
    "per user, gamma .005": PerUserBeta(0.005),
}


def beta_lines(schedules: Mapping[str, BetaSchedule], steps: np.ndarray) -> dict[str, np.ndarray]:
    """Beta at each update; a schedule that depends on the user has a line for each of a few users.

    Args:
        schedules: by name.
        steps: int64 [number of steps], the updates.

    Returns:
        Name of the line -> float32 [number of steps]; `|x|` is the user's number of interactions.
    """
    interactions = tf.constant(_NUMBERS_OF_INTERACTIONS, tf.float32)
    lines = {}
    for name, schedule in schedules.items():
        beta = np.array([schedule(tf.constant(step), interactions) for step in steps])
        if beta.ndim == 1:
            lines[name] = beta
        else:
            users = zip(_NUMBERS_OF_INTERACTIONS, beta.T, strict=True)
            lines |= {f"{name}, |x| = {size}": line for size, line in users}
    return lines


def write(folder: Path, *, with_html: bool = False) -> list[Path]:
    """Writes the page; returns the paths of what it wrote, see `Page.write`."""
    steps = np.linspace(0, _ML20M_UPDATES, _STEPS_DRAWN, dtype=np.int64)
    page = Page("Schedules of beta")
    caption = "Beta by update, over the updates of 200 epochs of ML-20M."
    page.picture("schedules", figures.schedules(beta_lines(_SCHEDULES, steps), steps), caption)
    return page.write(folder, with_html=with_html)
