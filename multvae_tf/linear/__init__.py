"""Linear item-item models: scores = x B, with B in closed form, sparse, or of low rank.

On small and middle data a model that is solved in seconds is ahead of most autoencoders; see `EDLAE`.
"""

from multvae_tf.linear.choice import Choice, choose
from multvae_tf.linear.ease import EASE, EDLAE, RDLAE
from multvae_tf.linear.elsa import ELSA
from multvae_tf.linear.slim import SLIM

__all__ = ["EASE", "EDLAE", "ELSA", "RDLAE", "SLIM", "Choice", "choose"]
