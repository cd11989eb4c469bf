"""RaCT: an autoencoder that is trained further by a critic which predicts its NDCG."""

from typing import Any

import keras
import tensorflow as tf

from multvae_tf.autoencoder import Autoencoder
from multvae_tf.baselines.critic import ActorView, Critic, look, target
from multvae_tf.batches import Interactions, TrainingBatch
from multvae_tf.errors import SettingError, check
from multvae_tf.models import MultVAE
from multvae_tf.ranking import ScoresOfBlock
from multvae_tf.trainable_model import TrainableModel, adam, fused_update

_DROPOUT, _NOISE = 0, 1
_PHASES = ("the actor", "the critic", "the actor by the critic, and the critic")


@keras.saving.register_keras_serializable(package="multvae_tf")
class RaCT(TrainableModel):
    """Ranking-critical training: an actor, then a critic, then both.

    1. The actor, an autoencoder, is trained as always.
    2. A critic learns to predict the NDCG@100 with which the actor ranks the items that dropout hid from it,
       from three numbers: how many items it saw, how many it did not, and its negative log-likelihood. The
       actor stays as it is.
    3. The actor is trained to raise the critic's prediction, to which it is tied by the likelihood alone; the
       critic learns on.

    Scores are the actor's.

    Args:
        num_items: The size I of the catalogue.
        actor: A new `MultVAE`, `MultDAE` or `RecVAE` of so many items; None means `MultVAE(num_items)`.
        critic: The network that predicts the NDCG, a `Critic`; None means `Critic()`.
        phase_ends: The numbers of updates after which the first and the second phase end; None means half and
            three quarters of the updates of `fit`, as in the paper's 100, 50 and 50 epochs.
        critic_learning_rate: The learning rate of the critic's Adam.
        actor_critic_learning_rate: The learning rate of the actor's Adam in the third phase.
        seed: The seed of the order of the users, and of the dropout and the noise in the second and third
            phase.
        **kwargs: of `keras.Model` (`name`).

    Raises:
        SettingError: a value is out of range.

    Examples:
        >>> import scipy.sparse
        >>> from multvae_tf import MultVAE
        >>> from multvae_tf.baselines import RaCT
        >>> x = scipy.sparse.random(50, 20, density=0.3, format="csr", random_state=0) > 0
        >>> model = RaCT(20, actor=MultVAE(20, hidden_dims=(16,), latent_dim=4))
        >>> model.compile()
        >>> history = model.fit(x, epochs=4, batch_size=10, verbose=0)
        >>> model.phase_ends
        (10, 15)

    Deviations: see `Critic`.

    References:
        Lobel, Li, Gao and Carin 2020, RaCT: Toward Amortized Ranking-Critical Training for Collaborative
        Filtering (ICLR, arXiv 1906.04281).
    """

    def __init__(
        self,
        num_items: int,
        *,
        actor: Autoencoder | None = None,
        critic: Critic | None = None,
        phase_ends: tuple[int, int] | None = None,
        critic_learning_rate: float = 1e-4,
        actor_critic_learning_rate: float = 2e-6,
        seed: int = 98765,
        **kwargs: Any,
    ):
        super().__init__(num_items, loss_names=("loss", "predicted_ndcg", "ndcg"), seed=seed, **kwargs)
        actor = MultVAE(num_items) if actor is None else actor
        check(
            isinstance(actor, Autoencoder), "actor", repr(actor), "an autoencoder, such as MultVAE(num_items)"
        )
        check(actor.num_items == num_items, "actor", f"of {actor.num_items} items", f"of {num_items}")
        check(actor.updates_per_batch == 1, "actor", "trained jointly", "one with one update a batch")
        is_order = phase_ends is None or 0 <= phase_ends[0] <= phase_ends[1]
        check(is_order, "phase_ends", phase_ends, "two ascending numbers of updates")
        for name, rate in (
            ("critic_learning_rate", critic_learning_rate),
            ("actor_critic_learning_rate", actor_critic_learning_rate),
        ):
            check(rate > 0, name, rate, "above 0")
        self.actor = actor
        self.critic = Critic(seed=self.seed) if critic is None else critic
        self.phase_ends = None if phase_ends is None else tuple(phase_ends)
        self.critic_learning_rate = critic_learning_rate
        self.actor_critic_learning_rate = actor_critic_learning_rate
        self.default_learning_rate = actor.default_learning_rate
        # tf.train.Checkpoint does not look into the lists of layers that Keras layers hold.
        self._weights_for_checkpoints = tf.train.Checkpoint(weights=[v.value for v in self.variables])
        self.built = True

    @property
    def passes_per_epoch(self) -> int:
        """The actor's."""
        return self.actor.passes_per_epoch

    @property
    def step(self) -> tf.Tensor:
        """The number of batches so far, an int64 scalar: the actor counts them first, then the critic."""
        return self.actor.step + tf.cast(self.optimizer.iterations, tf.int64)

    def phase(self, pass_number: int) -> str:
        """What is trained now, in words for messages."""
        return f"training {_PHASES[int(self._phase())]}"

    def _phase(self) -> tf.Tensor:
        assert self.phase_ends is not None
        return tf.reduce_sum(tf.cast(self.step >= tf.constant(self.phase_ends, tf.int64), tf.int32))

    @property
    def optimized_variables(self) -> list[keras.Variable]:
        """What `optimizer` updates: the critic."""
        return self.critic.trainable_variables

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer | None = None,
        *,
        steps_per_execution: int = 1,
        run_eagerly: bool = False,
    ) -> None:
        """As `TrainableModel.compile`, with two optimizers more, whose settings are the constructor's.

        Args:
            optimizer: of the actor in the first phase; None means the actor's own.
            steps_per_execution: batches between two looks of Keras at the losses.
            run_eagerly: as of `keras.Model.compile`, for debugging.
        """
        self.actor.compile(optimizer)
        self._compile_critic(steps_per_execution=steps_per_execution, run_eagerly=run_eagerly)

    def _compile_critic(self, **options: Any) -> None:
        super().compile(adam(self.critic_learning_rate), **options)
        self.actor_critic_optimizer = adam(self.actor_critic_learning_rate)
        self.actor_critic_optimizer.build(self.actor.trainable_variables)

    def get_compile_config(self) -> dict[str, Any]:
        """What the actor needs; the other optimizers follow from the constructor."""
        return {"actor": self.actor.get_compile_config()} if self.compiled else {}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model."""
        self.actor.compile_from_config(config["actor"])
        self._compile_critic()

    def prepare_training(self, num_users: int, num_updates: int | None = None) -> None:
        """See `TrainableModel.prepare_training`; fills in when the phases end."""
        if self.phase_ends is None:
            if num_updates is None:
                raise SettingError("phase_ends", "is None; give two numbers of updates for a Dataset")
            self.phase_ends = (num_updates // 2, 3 * num_updates // 4)
            self.train_function = None
        self.actor.prepare_training(num_users, self.phase_ends[0])

    def reset_metrics(self) -> None:
        """Keras' means of an epoch begin anew, the actor's too."""
        super().reset_metrics()
        self.actor.reset_metrics()

    def scores(self, x: Interactions) -> ScoresOfBlock:
        """The actor's."""
        return self.actor.scores(x)

    def train_step(self, batch: TrainingBatch) -> dict[str, tf.Tensor]:
        """One update, of the actor, the critic, or both; returns the epoch's running means.

        `loss` is the actor's in the first phase, the critic's afterwards, when `predicted_ndcg` and `ndcg`
        are the means of what the critic says and of what is true.
        """
        tf.switch_case(
            self._phase(),
            [
                lambda: self._train_actor(batch),
                lambda: self._train_by_critic(batch, with_actor=False),
                lambda: self._train_by_critic(batch, with_actor=True),
            ],
        )
        return {name: mean.result() for name, mean in self._loss_means.items()}

    def _train_actor(self, batch: TrainingBatch) -> None:
        running_mean = self.actor.train_step(batch)["loss"]
        self._loss_means["loss"].reset_state()
        self._report(batch.x.num_rows, loss=running_mean)

    def _look(self, x: Interactions) -> ActorView:
        rate = self.actor.dropout_rate
        kept = tf.random.stateless_uniform(tf.shape(x.ids), self.noise_seed(_DROPOUT)) >= rate
        epsilon = tf.random.stateless_normal([x.num_rows, self.actor.latent_dim], self.noise_seed(_NOISE))
        return look(self.actor, x, kept, 1.0 - rate, epsilon)

    def _train_by_critic(self, batch: TrainingBatch, with_actor: bool) -> None:
        actor_variables, critic_variables = self.actor.trainable_variables, self.critic.trainable_variables
        with tf.GradientTape(persistent=True) as tape:
            view = self._look(batch.x)
            if not with_actor:
                self.critic.observe(tf.stop_gradient(view.features))
            predicted = self.critic(view.features)
            ndcg = target(view, self.num_items)
            critic_loss = self.critic.loss(predicted, ndcg)
            actor_loss = -tf.reduce_mean(predicted)
        critic_gradients = tape.gradient(critic_loss, critic_variables)
        if with_actor:
            actor_gradients = tape.gradient(
                actor_loss, actor_variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            fused_update(self.actor_critic_optimizer, actor_variables)(actor_gradients)
        fused_update(self.optimizer, critic_variables)(critic_gradients)
        means = {"predicted_ndcg": tf.reduce_mean(predicted), "ndcg": tf.reduce_mean(ndcg)}
        self._report(batch.x.num_rows, loss=critic_loss, **means)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        actor = keras.saving.serialize_keras_object(self.actor)
        actor.pop("compile_config", None)
        return {
            **super().get_config(),
            "actor": actor,
            "critic": keras.saving.serialize_keras_object(self.critic),
            "phase_ends": self.phase_ends,
            "critic_learning_rate": self.critic_learning_rate,
            "actor_critic_learning_rate": self.actor_critic_learning_rate,
        }
