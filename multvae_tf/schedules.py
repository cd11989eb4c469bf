"""The weight beta of the KL term over the course of training."""

from typing import Any

import keras
import tensorflow as tf

CYCLICAL_CAPS = ("ramp", "clip")


class BetaSchedule:
    """beta as a function of the update and of the user.

    Subclasses implement `__call__(step, num_interactions)`, with `step` an int64 scalar counted from 0 over
    all updates and `num_interactions` float32 [B], the users' |x_u|. They return a float32 scalar or [B].
    """

    def __call__(self, step: tf.Tensor, num_interactions: tf.Tensor) -> tf.Tensor:
        """Returns beta for this update."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BetaSchedule":
        """The inverse of `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="multvae_tf")
class ConstantBeta(BetaSchedule):
    """beta(t) = beta.

    Args:
        beta: at least 0.
    """

    def __init__(self, beta: float):
        if not beta >= 0:
            raise ValueError(f"beta is {beta}; it must be at least 0")
        self.beta = beta

    def __call__(self, step: tf.Tensor, num_interactions: tf.Tensor) -> tf.Tensor:
        """Returns beta, a float32 scalar."""
        return tf.constant(self.beta, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"beta": self.beta}


@keras.saving.register_keras_serializable(package="multvae_tf")
class LinearAnnealing(BetaSchedule):
    """beta(t) = min(cap, t / total_anneal_steps) (Liang et al. 2018, section 2.2.2, and its code).

    Args:
        total_anneal_steps: updates in which beta would reach 1; 0 means the cap from the first update.
        anneal_cap: the largest beta.
    """

    def __init__(self, total_anneal_steps: int, anneal_cap: float):
        if total_anneal_steps < 0:
            raise ValueError(f"total_anneal_steps is {total_anneal_steps}; it must be at least 0")
        if not anneal_cap >= 0:
            raise ValueError(f"anneal_cap is {anneal_cap}; it must be at least 0")
        self.total_anneal_steps = total_anneal_steps
        self.anneal_cap = anneal_cap

    def __call__(self, step: tf.Tensor, num_interactions: tf.Tensor) -> tf.Tensor:
        """Returns beta, a float32 scalar."""
        cap = tf.constant(self.anneal_cap, tf.float32)
        if self.total_anneal_steps == 0:
            return cap
        return tf.minimum(cap, tf.cast(step, tf.float32) / self.total_anneal_steps)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"total_anneal_steps": self.total_anneal_steps, "anneal_cap": self.anneal_cap}


@keras.saving.register_keras_serializable(package="multvae_tf")
class CyclicalAnnealing(BetaSchedule):
    """beta grows from 0 in every cycle, then stays (Fu et al. 2019, arXiv 1903.10145, eq. 6 and 7).

    With tau in [0, 1) the position of update t in its cycle, R the part of a cycle in which beta grows:

        ramp: beta(t) = cap * min(1, tau / R)
        clip: beta(t) = min(cap, tau / R)

    Fu et al. have a cap of 1, for which both are the same; "cyclical with cap 0.2" may mean either.

    Args:
        num_steps: T, updates in all cycles together; the cycles go on after them.
        num_cycles: M.
        cycle_ramp: R, in (0, 1].
        anneal_cap: the largest beta.
        cyclical_cap: `ramp` or `clip`.
    """

    def __init__(
        self,
        num_steps: int,
        num_cycles: int = 10,
        cycle_ramp: float = 0.5,
        anneal_cap: float = 1.0,
        cyclical_cap: str = "ramp",
    ):
        for name, value, holds, expected in (
            ("num_steps", num_steps, num_steps >= 1, "at least 1"),
            ("num_cycles", num_cycles, num_cycles >= 1, "at least 1"),
            ("cycle_ramp", cycle_ramp, 0 < cycle_ramp <= 1, "greater than 0 and at most 1"),
            ("anneal_cap", anneal_cap, anneal_cap >= 0, "at least 0"),
            ("cyclical_cap", cyclical_cap, cyclical_cap in CYCLICAL_CAPS, " or ".join(CYCLICAL_CAPS)),
        ):
            if not holds:
                raise ValueError(f"{name} is {value}; it must be {expected}")
        self.num_steps = num_steps
        self.num_cycles = num_cycles
        self.cycle_ramp = cycle_ramp
        self.anneal_cap = anneal_cap
        self.cyclical_cap = cyclical_cap

    def __call__(self, step: tf.Tensor, num_interactions: tf.Tensor) -> tf.Tensor:
        """Returns beta, a float32 scalar."""
        position = tf.cast(step * self.num_cycles % self.num_steps, tf.float32) / self.num_steps
        ramp = position / self.cycle_ramp
        if self.cyclical_cap == "clip":
            return tf.minimum(self.anneal_cap, ramp)
        return self.anneal_cap * tf.minimum(1.0, ramp)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "num_steps": self.num_steps,
            "num_cycles": self.num_cycles,
            "cycle_ramp": self.cycle_ramp,
            "anneal_cap": self.anneal_cap,
            "cyclical_cap": self.cyclical_cap,
        }


@keras.saving.register_keras_serializable(package="multvae_tf")
class PerUserBeta(BetaSchedule):
    """beta'(x) = gamma * |x|: a user's KL term weighs as much as their interactions.

    From RecVAE (Shenbin et al. 2020), where |x| counts the items before dropout.

    Args:
        gamma: at least 0.
    """

    def __init__(self, gamma: float):
        if not gamma >= 0:
            raise ValueError(f"gamma is {gamma}; it must be at least 0")
        self.gamma = gamma

    def __call__(self, step: tf.Tensor, num_interactions: tf.Tensor) -> tf.Tensor:
        """Returns beta, float32 [B]."""
        return self.gamma * num_interactions

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"gamma": self.gamma}
