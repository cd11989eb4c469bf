"""The other systems of the papers: popularity, neighbourhoods, matrix factorisation, ranking losses, RaCT."""

from multvae_tf.baselines.cdae import CDAE
from multvae_tf.baselines.critic import Critic
from multvae_tf.baselines.item_knn import ItemKNN
from multvae_tf.baselines.popularity import Popularity
from multvae_tf.baselines.ract import RaCT
from multvae_tf.baselines.ranking_losses import LambdaRankLoss, WarpLoss
from multvae_tf.baselines.ranking_models import WARP, LambdaNet
from multvae_tf.baselines.wmf import WMF

__all__ = [
    "CDAE",
    "WARP",
    "WMF",
    "Critic",
    "ItemKNN",
    "LambdaNet",
    "LambdaRankLoss",
    "Popularity",
    "RaCT",
    "WarpLoss",
]
