"""Mult-VAE's training step in PyTorch, to be timed where torch is installed: dense batches, all dense."""

import itertools
from collections.abc import Sequence

import scipy.sparse

from benchmarks.multvae_steps import HIDDEN_DIM, LATENT_DIM, Step


def torch_step(num_items: int, batch_size: int, matrix: scipy.sparse.csr_matrix) -> Step:
    """One update on the matrix's batches in turn; arguments as of the builders in `benchmarks.multvae_steps`.

    Raises:
        ImportError: torch is not installed.
    """
    import torch
    from torch.nn import functional

    def mlp(dims: Sequence[int]) -> torch.nn.Sequential:
        layers: list[torch.nn.Module] = []
        for widths in itertools.pairwise(dims):
            layers += [torch.nn.Linear(*widths), torch.nn.Tanh()]
        return torch.nn.Sequential(*layers[:-1])

    encoder = mlp([num_items, HIDDEN_DIM, 2 * LATENT_DIM])
    decoder = mlp([LATENT_DIM, HIDDEN_DIM, num_items])
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    starts = itertools.cycle(range(0, matrix.shape[0] - batch_size + 1, batch_size))

    def step() -> None:
        start = next(starts)
        x = torch.from_numpy(matrix[start : start + batch_size].toarray()).float()
        z_mean, z_log_var = encoder(functional.dropout(functional.normalize(x), 0.5)).chunk(2, dim=1)
        z = z_mean + torch.randn_like(z_mean) * torch.exp(0.5 * z_log_var)
        nll = -(functional.log_softmax(decoder(z), dim=1) * x).sum(dim=1).mean()
        kl = 0.5 * (z_log_var.exp() + z_mean**2 - 1 - z_log_var).sum(dim=1).mean()
        optimizer.zero_grad()
        (nll + 0.2 * kl).backward()
        optimizer.step()

    return step
