"""The weight beta of the KL term over the course of training."""

import math
from typing import Any

import keras
import tensorflow as tf

from multvae_tf.errors import check

CYCLICAL_CAPS = ("ramp", "clip")
# The authors' ML-20M notebook reaches its cap of 0.2 after 40,000 of 46,800 updates.
_PART_OF_UPDATES_TO_CAP = 6 / 7


class BetaSchedule:
    """beta as a function of the update and of the user.

    Subclasses implement `__call__(step, num_interactions)`, with `step` an int64 scalar counted from 0 over
    all updates and `num_interactions` float32 [B], the users' |x_u|. They return a float32 scalar or [B].
    """

    def __call__(self, step: tf.Tensor, num_interactions: tf.Tensor) -> tf.Tensor:
        """Returns beta for this update."""
        raise NotImplementedError

    def for_updates(self, num_updates: int) -> "BetaSchedule":
        """This schedule with everything filled in that was left open until the number of updates is known."""
        return self

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "BetaSchedule":
        """The inverse of `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="multvae_tf")
class ConstantBeta(BetaSchedule):
    """beta(t) = constant_beta.

    Args:
        constant_beta: The beta of every update; 1 gives the evidence lower bound.

    Raises:
        SettingError: it is negative.

    Examples:
        >>> from multvae_tf import ConstantBeta, MultVAE
        >>> MultVAE(1000, beta=ConstantBeta(0.2)).beta.constant_beta
        0.2
    """

    def __init__(self, constant_beta: float = 0.2):
        check(0 <= constant_beta < math.inf, "constant_beta", constant_beta, "at least 0")
        self.constant_beta = constant_beta

    def __call__(self, step: tf.Tensor, num_interactions: tf.Tensor) -> tf.Tensor:
        """Returns beta, a float32 scalar."""
        return tf.constant(self.constant_beta, tf.float32)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"constant_beta": self.constant_beta}


@keras.saving.register_keras_serializable(package="multvae_tf")
class LinearAnnealing(BetaSchedule):
    """beta(t) = min(anneal_cap, t / total_anneal_steps).

    Args:
        total_anneal_steps: The number of updates in which beta would grow to 1; 200,000 in the code of
            Liang et al. for ML-20M. 0 means the cap from the first update on. None (`auto`) means that
            `fit` fills it in, such that beta reaches its cap after the same part of the updates as there,
            6/7.
        anneal_cap: The largest beta; 0.2 in that code. None (`auto`) means as the paper chose it: `train`
            first makes a run that is annealed to 1, and its beta at the best validation epoch is the cap.

    Raises:
        SettingError: a value is negative.

    Examples:
        >>> from multvae_tf import LinearAnnealing, MultVAE
        >>> model = MultVAE(1000, beta=LinearAnnealing(total_anneal_steps=5_000, anneal_cap=0.2))

    References: Liang et al. 2018, section 2.2.2, and its code.
    """

    def __init__(self, total_anneal_steps: int | None = 200_000, anneal_cap: float | None = 0.2):
        steps = total_anneal_steps
        check(steps is None or steps >= 0, "total_anneal_steps", steps, "at least 0")
        check(anneal_cap is None or 0 <= anneal_cap < math.inf, "anneal_cap", anneal_cap, "at least 0")
        self.total_anneal_steps = total_anneal_steps
        self.anneal_cap = anneal_cap

    def for_updates(self, num_updates: int) -> "LinearAnnealing":
        """See `BetaSchedule.for_updates`."""
        if self.total_anneal_steps is not None:
            return self
        cap = 1.0 if self.anneal_cap is None else self.anneal_cap
        steps = max(1, round(num_updates * _PART_OF_UPDATES_TO_CAP / cap)) if cap else 0
        return LinearAnnealing(steps, self.anneal_cap)

    def with_cap(self, anneal_cap: float) -> "LinearAnnealing":
        """The same growth with another largest beta."""
        return LinearAnnealing(self.total_anneal_steps, anneal_cap)

    def __call__(self, step: tf.Tensor, num_interactions: tf.Tensor) -> tf.Tensor:
        """Returns beta, a float32 scalar."""
        for name in ("total_anneal_steps", "anneal_cap"):
            check(getattr(self, name) is not None, name, "None", "a number in an update; `train` fills it in")
        cap = tf.constant(self.anneal_cap, tf.float32)
        if self.total_anneal_steps == 0:
            return cap
        return tf.minimum(cap, tf.cast(step, tf.float32) / self.total_anneal_steps)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"total_anneal_steps": self.total_anneal_steps, "anneal_cap": self.anneal_cap}


@keras.saving.register_keras_serializable(package="multvae_tf")
class CyclicalAnnealing(BetaSchedule):
    """beta grows from 0 in every cycle, then stays.

    With tau in [0, 1) the position of update t in its cycle, R the part of a cycle in which beta grows:

        ramp: beta(t) = anneal_cap * min(1, tau / R)
        clip: beta(t) = min(anneal_cap, tau / R)

    Fu et al. have a cap of 1, for which both are the same; "cyclical with cap 0.2" may mean either.

    Args:
        cyclical_steps: The number T of updates in all cycles together; the cycles go on after them. None
            (`auto`) means that `fit` fills in all of its updates.
        num_cycles: The number M of cycles; 10 in the UCSD study, 4 in Fu et al.
        cycle_ramp: The part R of a cycle in which beta grows, in (0, 1]; 0.5 in Fu et al.
        anneal_cap: The largest beta; 1 in Fu et al.
        cyclical_cap: How the cap is kept: `ramp` grows to it, `clip` grows to 1 and is cut.

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> from multvae_tf import CyclicalAnnealing, MultVAE
        >>> model = MultVAE(1000, beta=CyclicalAnnealing(num_cycles=4, anneal_cap=0.2))

    References: Fu et al. 2019, arXiv 1903.10145, equations 6 and 7.
    """

    def __init__(
        self,
        cyclical_steps: int | None = None,
        num_cycles: int = 10,
        cycle_ramp: float = 0.5,
        anneal_cap: float = 1.0,
        cyclical_cap: str = "ramp",
    ):
        steps = cyclical_steps
        check(steps is None or steps >= 1, "cyclical_steps", steps, "at least 1")
        check(num_cycles >= 1, "num_cycles", num_cycles, "at least 1")
        check(0 < cycle_ramp <= 1, "cycle_ramp", cycle_ramp, "greater than 0 and at most 1")
        is_number = anneal_cap is not None and 0 <= anneal_cap < math.inf
        check(is_number, "anneal_cap", anneal_cap, "a number, at least 0, unless beta is annealed linearly")
        check(cyclical_cap in CYCLICAL_CAPS, "cyclical_cap", cyclical_cap, " or ".join(CYCLICAL_CAPS))
        self.cyclical_steps = cyclical_steps
        self.num_cycles = num_cycles
        self.cycle_ramp = cycle_ramp
        self.anneal_cap = anneal_cap
        self.cyclical_cap = cyclical_cap

    def for_updates(self, num_updates: int) -> "CyclicalAnnealing":
        """See `BetaSchedule.for_updates`."""
        if self.cyclical_steps is not None:
            return self
        return CyclicalAnnealing(**(self.get_config() | {"cyclical_steps": num_updates}))

    def __call__(self, step: tf.Tensor, num_interactions: tf.Tensor) -> tf.Tensor:
        """Returns beta, a float32 scalar."""
        steps = self.cyclical_steps
        check(steps is not None, "cyclical_steps", "None", "a number in an update; `fit` fills it in")
        position = tf.cast(step * self.num_cycles % steps, tf.float32) / steps
        ramp = position / self.cycle_ramp
        if self.cyclical_cap == "clip":
            return tf.minimum(self.anneal_cap, ramp)
        return self.anneal_cap * tf.minimum(1.0, ramp)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "cyclical_steps": self.cyclical_steps,
            "num_cycles": self.num_cycles,
            "cycle_ramp": self.cycle_ramp,
            "anneal_cap": self.anneal_cap,
            "cyclical_cap": self.cyclical_cap,
        }


@keras.saving.register_keras_serializable(package="multvae_tf")
class PerUserBeta(BetaSchedule):
    """beta'(x) = gamma * |x|: a user's KL term weighs as much as their interactions.

    Args:
        gamma: The beta of a user for each of their items; .005 on ML-20M, .0035 on Netflix and .01 on MSD
            in the paper.

    Raises:
        SettingError: it is negative.

    Examples:
        >>> from multvae_tf import MultVAE, PerUserBeta
        >>> model = MultVAE(1000, beta=PerUserBeta(0.005))

    References: RecVAE (Shenbin et al. 2020), where |x| counts the items before dropout.
    """

    def __init__(self, gamma: float = 0.005):
        check(0 <= gamma < math.inf, "gamma", gamma, "at least 0")
        self.gamma = gamma

    def __call__(self, step: tf.Tensor, num_interactions: tf.Tensor) -> tf.Tensor:
        """Returns beta, float32 [B]."""
        return self.gamma * num_interactions

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"gamma": self.gamma}


def checked_beta(beta: Any) -> BetaSchedule:
    """The argument, if it is a schedule: a bare number would not say how beta gets there.

    Raises:
        SettingError: it is none.
    """
    check(isinstance(beta, BetaSchedule), "beta", repr(beta), "a schedule, such as ConstantBeta(0.2)")
    return beta
