"""The other systems of the papers: popularity, neighbourhoods, matrix factorisation, ranking losses, RaCT."""

from multvae_tf.baselines.item_knn import ItemKNN
from multvae_tf.baselines.popularity import Popularity
from multvae_tf.baselines.wmf import WMF

__all__ = ["WMF", "ItemKNN", "Popularity"]
