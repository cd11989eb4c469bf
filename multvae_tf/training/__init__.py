"""Training into a run folder."""

from multvae_tf.training.run_training import described, train

__all__ = ["described", "train"]
