"""The base of every multinomial autoencoder: what training, evaluation, recommendation and export need."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from multvae_tf import losses, metrics, ranking, sampled_softmax
from multvae_tf.batches import HeldOutBatch, Interactions, TrainingBatch
from multvae_tf.layers import SparseRows, dense_columns, l2_normalize

REPORTED_METRICS = {
    "NDCG@100": (metrics.ndcg_at_k, 100),
    "Recall@20": (metrics.recall_at_k, 20),
    "Recall@50": (metrics.recall_at_k, 50),
}
_MAX_K = max(k for _, k in REPORTED_METRICS.values())
_CANDIDATES = 2


class Ranking(NamedTuple):
    """The best unseen items of B users, and what their held-out items say of them.

    Attributes:
        top_items: int32 [B, min(100, num_items)], best first; -1 where no unseen item is left.
        metrics: each of `REPORTED_METRICS`, float64 [B].
    """

    top_items: tf.Tensor
    metrics: dict[str, tf.Tensor]


def rank_batch(scores_of_block: ranking.ScoresOfBlock, num_items: int, batch: HeldOutBatch) -> Ranking:
    """The ranking by scores; see `ranking.top_unseen`."""
    top_scores, top_items = ranking.top_unseen(
        scores_of_block, num_items, batch.fold_in, min(_MAX_K, num_items)
    )
    hits = metrics.hits(top_items, batch.held_out, num_items)
    num_held_out = batch.held_out.row_lengths
    return Ranking(
        tf.where(tf.math.is_inf(top_scores), -1, top_items),
        {name: metric(hits, num_held_out, k) for name, (metric, k) in REPORTED_METRICS.items()},
    )


class MultinomialAutoencoder(keras.Model):
    """x -> encode -> z -> decode -> logits, with x_u ~ Mult(|x_u|, softmax(logits_u)).

    Subclasses create all their weights in the constructor, implement `encode`, `decoder_hidden`,
    `output_layer` and `train_step`, and take every random draw from `noise_seed`, a function of (seed, step):
    a run that is continued from a checkpoint draws what it would have drawn.

    Args:
        num_items: size of the catalogue.
        num_sampled_items: items on which an update estimates the softmax, beside the batch's own; 0: all of
            them, the exact loss. See `sampled_softmax`.
        seed: of the initial weights, the dropout and the noise.
        **kwargs: of `keras.Model` (`name`, `dtype`).
    """

    def __init__(self, num_items: int, *, num_sampled_items: int = 0, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_items = num_items
        self.num_sampled_items = num_sampled_items
        self.seed = seed
        # The number of ids changes with every batch: XLA would compile each step anew.
        self.supports_jit = False
        self._loss_means = {name: keras.metrics.Mean(name=name) for name in self.loss_names}
        self._validation_means = {name: keras.metrics.Mean(name=name) for name in REPORTED_METRICS}

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The names under which `train_step` reports per-user means of an epoch; `loss` comes first."""
        return ("loss", "nll")

    @property
    def passes_per_epoch(self) -> int:
        """Passes over the training data in one epoch of `fit`."""
        return 1

    def phase(self, pass_number: int) -> str:
        """What a pass of an epoch trains, in words for messages."""
        return "training"

    @property
    def step(self) -> tf.Tensor:
        """The number of updates made so far, an int64 scalar."""
        return tf.cast(self.optimizer.iterations, tf.int64)

    def noise_seed(self, purpose: int) -> tf.Tensor:
        """The int64 [2] seed of this step's draw for one purpose (dropout, noise, ...)."""
        return tf.stack([tf.constant(self.seed * 16 + purpose, tf.int64), self.step])

    @property
    def optimized_variables(self) -> list[keras.Variable]:
        """What `optimizer` updates."""
        return self.trainable_variables

    def compile(self, optimizer: Any, **kwargs: Any) -> None:
        """As `keras.Model.compile`, but creates the optimizer's state at once: checkpoints need it.

        Args:
            optimizer: an optimizer or its name; losses and metrics are the model's own.
            **kwargs: `steps_per_execution`, `run_eagerly`.
        """
        super().compile(optimizer=optimizer, **kwargs)
        self.optimizer.build(self.optimized_variables)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles a loaded model; Keras would skip a model whose `compile` is its own."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def encode(self, rows: SparseRows) -> tuple[tf.Tensor, tf.Tensor | None]:
        """z_mean and z_log_var, float32 [B, latent_dim]; the latter is None where z has no variance."""
        raise NotImplementedError

    def decoder_hidden(self, z: tf.Tensor) -> tf.Tensor:
        """The input of `output_layer`, float [B, hidden], at z, float [B, latent_dim]."""
        raise NotImplementedError

    @property
    def output_layer(self) -> keras.layers.Dense:
        """The decoder's last layer, linear: one column of its kernel for each item."""
        raise NotImplementedError

    def decode(self, z: tf.Tensor) -> tf.Tensor:
        """The logits, float32 [B, num_items], at z, float [B, latent_dim]."""
        return tf.cast(self.output_layer(self.decoder_hidden(z)), tf.float32)

    def call(self, x: Interactions, training: bool = False) -> tf.Tensor:
        """The logits at the mean of z, without dropout: the scores by which items are recommended."""
        z_mean, _ = self.encode(l2_normalize(Interactions(*x)))
        return self.decode(z_mean)

    def nll(self, x: Interactions, logits: tf.Tensor) -> tf.Tensor:
        """The negative log-likelihood of x given the logits, float32 [B], in nats."""
        return losses.multinomial_nll(x, logits)

    def nll_at(self, z: tf.Tensor, x: Interactions) -> tf.Tensor:
        """The negative log-likelihood of x, float32 [B], at z, or this step's estimate of it."""
        if not self.num_sampled_items:
            return self.nll(x, self.decode(z))
        candidates = sampled_softmax.draw_candidates(
            x.ids, self.num_items, self.num_sampled_items, self.noise_seed(_CANDIDATES)
        )
        h, layer = self.decoder_hidden(z), self.output_layer
        kernel, bias = (sampled_softmax.columns(w, candidates.items) for w in (layer.kernel, layer.bias))
        return sampled_softmax.sampled_nll(x, dense_columns(layer, h, kernel, bias), candidates)

    def scores(self, x: Interactions) -> ranking.ScoresOfBlock:
        """What `call` gives, by blocks of items: all layers but the last are computed once."""
        z_mean, _ = self.encode(l2_normalize(x))
        h, layer = self.decoder_hidden(z_mean), self.output_layer

        def scores_of_block(start: tf.Tensor | int, width: int) -> tf.Tensor:
            kernel = tf.slice(layer.kernel, [0, start], [-1, width])
            return dense_columns(layer, h, kernel, tf.slice(layer.bias, [start], [width]))

        return scores_of_block

    def recommend(self, seen: Interactions, k: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores and numbers of the k best unseen items, [B, k]; see `ranking.top_unseen`."""
        return ranking.top_unseen(self.scores(seen), self.num_items, seen, min(k, self.num_items))

    @tf.function(reduce_retracing=True)
    def rank_held_out(self, batch: HeldOutBatch) -> Ranking:
        """The ranking of each user's unseen items."""
        return rank_batch(self.scores(batch.fold_in), self.num_items, batch)

    def test_step(self, batch: HeldOutBatch) -> dict[str, tf.Tensor]:
        """Ranks the held-out items of a batch; users without any do not count."""
        has_held_out = tf.cast(batch.held_out.row_lengths > 0, tf.float32)
        for name, values in self.rank_held_out(batch).metrics.items():
            self._validation_means[name].update_state(values, sample_weight=has_held_out)
        return {name: mean.result() for name, mean in self._validation_means.items()}

    def prepare_training(self, num_users: int) -> None:
        """Makes room for what `fit` on `num_users` users may keep of each of them; called before `fit`."""

    def train_step(self, batch: TrainingBatch) -> dict[str, tf.Tensor]:
        """One update; returns the running means of `loss_names` over the epoch."""
        raise NotImplementedError

    def _report(self, num_users: tf.Tensor, **values: tf.Tensor) -> dict[str, tf.Tensor]:
        """Updates the per-user running means with this batch's means."""
        for name, value in values.items():
            self._loss_means[name].update_state(value, sample_weight=tf.cast(num_users, tf.float32))
        return {name: self._loss_means[name].result() for name in values}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "num_sampled_items": self.num_sampled_items,
            "seed": self.seed,
        }
