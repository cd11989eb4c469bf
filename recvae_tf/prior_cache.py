"""The old posterior of every training user, kept for the length of an epoch."""

import tensorflow as tf


class PriorCache:
    """mu and log sigma^2 under the old encoder, one row per user, on the model's side of training only.

    The old encoder does not change between two refreshes and sees the clean x: one forward pass per epoch
    gives every user's old posterior. The first encoder pass of an epoch writes it, the others read it.

    Nothing in the cache outlives the epoch, so it belongs in no checkpoint: a resumed run begins an epoch,
    and writes what an uninterrupted run would have written, from the same batches, bit for bit. (Written by
    the decoder pass, whose batches differ, it would have to be saved with every checkpoint.) Nor does it
    matter how the decoder is trained. Rows never written are NaN: reading one stops the run.

    Args:
        num_users: rows.
        latent_dim: size of z.
    """

    def __init__(self, num_users: int, latent_dim: int):
        self._rows = tf.Variable(
            tf.fill([num_users, 2 * latent_dim], float("nan")), trainable=False, name="prior_cache"
        )

    @staticmethod
    def num_bytes(num_users: int, latent_dim: int) -> int:
        """The memory that a cache of this size takes."""
        return num_users * 2 * latent_dim * tf.float32.size

    def write(self, users: tf.Tensor, z_mean: tf.Tensor, z_log_var: tf.Tensor) -> None:
        """Keeps the users' parameters, float32 [B, latent_dim] each; users is int64 [B]."""
        self._rows.scatter_update(tf.IndexedSlices(tf.concat([z_mean, z_log_var], axis=1), users))

    def read(self, users: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What `write` kept of these users."""
        z_mean, z_log_var = tf.split(tf.gather(self._rows, users), 2, axis=1)
        return z_mean, z_log_var
