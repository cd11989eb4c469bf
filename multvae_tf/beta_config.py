"""The settings of beta, the weight of the KL term, shared by the models that have one."""

import dataclasses
import math
from typing import Any

from multvae_tf.errors import check
from multvae_tf.schedules import (
    CYCLICAL_CAPS,
    BetaSchedule,
    ConstantBeta,
    CyclicalAnnealing,
    LinearAnnealing,
    PerUserBeta,
)

# The kinds of schedule, and of each the fields that may be left open until the run is known.
_OPEN_FIELDS = {
    "linear": ("anneal_cap", "total_anneal_steps"),
    "constant": (),
    "cyclical": ("cyclical_steps",),
    "per_user": (),
}
BETAS = tuple(_OPEN_FIELDS)
# The authors' ML-20M notebook reaches its cap of 0.2 after 40,000 of 46,800 updates.
_PART_OF_UPDATES_TO_CAP = 6 / 7


@dataclasses.dataclass(frozen=True, kw_only=True)
class BetaConfig:
    """Fields from which a model's `BetaSchedule` is made; a part of the configurations that have them.

    Attributes:
        beta: linear, which is min(anneal_cap, updates / total_anneal_steps), constant, cyclical or per_user.
        anneal_cap: the largest beta; beta itself if it is constant; 0.2 in the code of Liang et al. for
            ML-20M. auto means as they chose it (section 2.2.2): a run that is annealed to 1 comes first,
            and its beta at the best validation epoch is the cap.
        total_anneal_steps: of beta = linear: updates in which beta would grow to 1; 200,000 in the code for
            ML-20M. auto means: such that it reaches its cap after the same part of the updates as there, 6/7.
        num_cycles: of beta = cyclical, 10 (Fu et al. 2019 have 4).
        cycle_ramp: of beta = cyclical, the part of a cycle in which it grows, 0.5 (Fu et al. 2019).
        cyclical_cap: of beta = cyclical: ramp grows to anneal_cap, clip grows to 1 and is cut at anneal_cap.
        cyclical_steps: of beta = cyclical: updates in all cycles together; auto means all of the run's.
        gamma: of beta = per_user, which is gamma |x| (Shenbin et al. 2020: .005 on ML-20M, .0035 on Netflix,
            .01 on MSD).
    """

    beta: str = "linear"
    anneal_cap: float | None = 0.2
    total_anneal_steps: int | None = None
    num_cycles: int = 10
    cycle_ramp: float = 0.5
    cyclical_cap: str = "ramp"
    cyclical_steps: int | None = None
    gamma: float = 0.005

    def check_beta(self) -> None:
        """Raises `RunError` for a value that is out of range."""
        check(self.beta in BETAS, "beta", self.beta, f"one of {', '.join(BETAS)}")
        for name in ("anneal_cap", "total_anneal_steps", "gamma"):
            value = getattr(self, name)
            check(value is None or 0 <= value < math.inf, name, value, "at least 0")
        is_annealed = self.beta == "linear"
        check(
            is_annealed or self.anneal_cap is not None, "anneal_cap", "auto", "a number unless beta is linear"
        )
        for name in ("num_cycles", "cyclical_steps"):
            value = getattr(self, name)
            check(value is None or value >= 1, name, value, "at least 1")
        check(0 < self.cycle_ramp <= 1, "cycle_ramp", self.cycle_ramp, "greater than 0 and at most 1")
        check(
            self.cyclical_cap in CYCLICAL_CAPS, "cyclical_cap", self.cyclical_cap, " or ".join(CYCLICAL_CAPS)
        )

    def resolved_steps(self, num_updates: int) -> dict[str, Any]:
        """The fields that depend on the number of updates of the run, filled in where they are None."""
        cap = 1.0 if self.anneal_cap is None else self.anneal_cap
        to_one = max(1, round(num_updates * _PART_OF_UPDATES_TO_CAP / cap)) if cap else 0
        return {
            "total_anneal_steps": to_one if self.total_anneal_steps is None else self.total_anneal_steps,
            "cyclical_steps": num_updates if self.cyclical_steps is None else self.cyclical_steps,
        }

    def beta_schedule(self) -> BetaSchedule:
        """The schedule.

        Raises:
            RunError: a field that depends on the run has not been resolved.
        """
        for name in _OPEN_FIELDS[self.beta]:
            check(getattr(self, name) is not None, name, "auto", "resolved for the run first")
        cap = float(self.anneal_cap or 0)
        if self.beta == "constant":
            return ConstantBeta(cap)
        if self.beta == "per_user":
            return PerUserBeta(self.gamma)
        if self.beta == "cyclical":
            steps = int(self.cyclical_steps or 0)
            return CyclicalAnnealing(steps, self.num_cycles, self.cycle_ramp, cap, self.cyclical_cap)
        return LinearAnnealing(int(self.total_anneal_steps or 0), cap)
