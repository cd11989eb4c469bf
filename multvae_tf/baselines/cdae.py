"""CDAE: a denoising autoencoder with a vector for each training user."""

from typing import Any

import keras
import tensorflow as tf

from multvae_tf.batches import Interactions, TrainingBatch
from multvae_tf.errors import SettingError, check
from multvae_tf.layers import SparseRows
from multvae_tf.losses import Likelihood, gaussian_nll
from multvae_tf.models import MultDAE


@keras.saving.register_keras_serializable(package="multvae_tf")
class BoundedSquaredError(Likelihood):
    """The weighted squared error of tanh(logits): sum_i c_i (x_i - tanh(f_i))^2 / 2.

    Args:
        positive_weight: The weight c of the positives; that of the other items is 1.

    Raises:
        SettingError: the weight is not a positive number.

    Examples:
        >>> from multvae_tf.baselines.cdae import BoundedSquaredError
        >>> BoundedSquaredError(5.0).get_config()
        {'positive_weight': 5.0}
    """

    def __init__(self, positive_weight: float = 10.0):
        check(positive_weight > 0, "positive_weight", positive_weight, "a number greater than 0")
        self.positive_weight = positive_weight

    def nll(self, x: Interactions, logits: tf.Tensor) -> tf.Tensor:
        """See the class; float32 [B]."""
        return gaussian_nll(x, tf.tanh(logits), self.positive_weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"positive_weight": self.positive_weight}


@keras.saving.register_keras_serializable(package="multvae_tf")
class CDAE(MultDAE):
    """Collaborative denoising autoencoder: h = tanh(W x~ + V_u + b), scores W' h + b'.

    V_u is a vector of the training user u, so that the number of weights grows with the users. Minimises the
    weighted squared error of tanh(W' h + b') plus lambda (||W||^2 + ||W'||^2 + ||V||^2).

    A user who was not trained has no V_u: it is left out, which is where the penalty draws the trained ones.
    The papers that evaluate CDAE on new users do not say what they do there.

    Args:
        num_items: The size I of the catalogue.
        latent_dim: The size of h, the code of a user.
        dropout_rate: The probability with which each item of a user is dropped from the input in training.
        l2: The weight lambda of the penalty on all weights; Liang et al. chose it between .01 and 100, for a
            loss of their scale, by validation.
        positive_weight: The weight of a positive's squared error; that of any other item is 1.
        seed: The seed of the initial weights, the order of the users and the dropout.
        **kwargs: of `keras.Model` (`name`, `dtype`).

    Raises:
        SettingError: a value is out of range, or the training data has no numbers of users.

    Examples:
        >>> import scipy.sparse
        >>> from multvae_tf.baselines import CDAE
        >>> x = scipy.sparse.random(50, 20, density=0.3, format="csr", random_state=0) > 0
        >>> model = CDAE(num_items=20, latent_dim=4)
        >>> model.compile()
        >>> history = model.fit(x, epochs=2, batch_size=10, verbose=0)
        >>> model.user_vectors.shape.as_list()
        [50, 4]

    Deviations: of Wu et al. as in Liang et al. 2018: tanh instead of the sigmoid, all zeros instead of a
    sample of them, Adam and batches of users; the input is L2-normalised, as that of the other autoencoders.

    References:
        Wu, DuBois, Zheng and Ester 2016, Collaborative Denoising Auto-Encoders for Top-N Recommender Systems
        (WSDM). Liang et al. 2018 (arXiv 1802.05814), section 4.3.
    """

    def __init__(
        self,
        num_items: int,
        *,
        latent_dim: int = 200,
        dropout_rate: float = 0.5,
        l2: float = 1e-3,
        positive_weight: float = 10.0,
        seed: int = 98765,
        **kwargs: Any,
    ):
        super().__init__(
            num_items,
            latent_dim=latent_dim,
            dropout_rate=dropout_rate,
            l2=l2,
            likelihood=BoundedSquaredError(positive_weight),
            seed=seed,
            **kwargs,
        )
        self.positive_weight = positive_weight
        self.user_vectors: keras.Variable | None = None

    def prepare_training(self, num_users: int, num_updates: int | None = None) -> None:
        """See `TrainableModel.prepare_training`; makes the users' vectors, and room for them in Adam."""
        if num_users == 0:
            raise SettingError("x", "is a Dataset, whose users have no numbers; CDAE needs a scipy matrix")
        if self.user_vectors is not None:
            known = self.user_vectors.shape[0]
            check(
                known == num_users, "x", f"of {num_users} users", f"of the {known} that were trained before"
            )
            return
        super().prepare_training(num_users, num_updates)
        self._make_user_vectors(num_users)

    def _make_user_vectors(self, num_users: int) -> None:
        self.user_vectors = self.add_weight(
            name="user_vectors",
            shape=(num_users, self.latent_dim),
            initializer=keras.initializers.TruncatedNormal(stddev=0.001, seed=self.seed * 1000),
            dtype="float32",
            autocast=False,
        )
        if self.compiled:
            self.compile(type(self.optimizer).from_config(self.optimizer.get_config()))

    def penalized_nll(self, batch: TrainingBatch, rows: SparseRows) -> dict[str, tf.Tensor]:
        """The loss of an update and its part `nll`; the users of the batch have their vectors."""
        assert self.user_vectors is not None
        of_users = tf.gather(tf.convert_to_tensor(self.user_vectors), batch.users)
        z = tf.tanh(tf.cast(self._encoder_output(rows), tf.float32) + of_users)
        nll = tf.reduce_mean(self.nll_at(z, batch.x))
        return {"loss": nll + self.l2_penalty() if self.l2 else nll, "nll": nll}

    def l2_penalty(self) -> tf.Tensor:
        """Lambda * sum ||W||^2 over the kernels and the users' vectors, a float32 scalar."""
        assert self.user_vectors is not None
        return super().l2_penalty() + self.l2 * tf.reduce_sum(
            tf.square(tf.convert_to_tensor(self.user_vectors))
        )

    def load_own_variables(self, store: Any) -> None:
        """Takes the users' vectors from Keras' store, and makes room for them in a new model."""
        if self.user_vectors is None and len(store.keys()):
            self._make_user_vectors(store["0"].shape[0])
        super().load_own_variables(store)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        for fixed in ("hidden_dims", "activation", "likelihood"):
            del config[fixed]
        return {**config, "positive_weight": self.positive_weight}
