"""RecVAE's updates in PyTorch, to be timed where torch is installed: dense batches, all gradients."""

import scipy.sparse

from benchmarks.recvae_steps import (
    DEPTH,
    DROPOUT_RATE,
    GAMMA,
    LATENT_DIM,
    LEARNING_RATE,
    MIXTURE_WEIGHTS,
    PHASES,
    WIDTH,
    Cycle,
)


def torch_step(num_items: int, batch_size: int, matrix: scipy.sparse.csr_matrix) -> Cycle:
    """Three encoder updates and a decoder update; arguments as of the builders in `benchmarks.recvae_steps`.

    Raises:
        ImportError: torch is not installed.
    """
    import torch
    from torch.nn import functional

    class TorchEncoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            inputs = [num_items] + [WIDTH] * (DEPTH - 1)
            self.hidden = torch.nn.ModuleList(torch.nn.Linear(n, WIDTH) for n in inputs)
            self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(WIDTH) for _ in inputs)
            self.head = torch.nn.Linear(WIDTH, 2 * LATENT_DIM)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            h, sum_of_layers = x, torch.zeros(())
            for layer, norm in zip(self.hidden, self.norms, strict=True):
                h = norm(functional.silu(layer(h) + sum_of_layers))
                sum_of_layers = sum_of_layers + h
            return self.head(h).chunk(2, dim=1)

    encoder, old_encoder, decoder = TorchEncoder(), TorchEncoder(), torch.nn.Linear(LATENT_DIM, num_items)
    optimizers = {
        "encoder": torch.optim.Adam(encoder.parameters(), lr=LEARNING_RATE),
        "decoder": torch.optim.Adam(decoder.parameters(), lr=LEARNING_RATE),
    }
    log_weights = torch.log(torch.tensor(MIXTURE_WEIGHTS))

    def log_normal(z: torch.Tensor, mean: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
        return -0.5 * (log_var + torch.log(torch.tensor(2 * torch.pi)) + (z - mean) ** 2 / log_var.exp())

    def loss(x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        normalized = functional.normalize(x)
        z_mean, z_log_var = encoder(functional.dropout(normalized, dropout_rate))
        z = z_mean + torch.randn_like(z_mean) * torch.exp(0.5 * z_log_var)
        with torch.no_grad():
            old_posterior = old_encoder(normalized)
        zeros = torch.zeros_like(z)
        gaussians = [(zeros, zeros), old_posterior, (zeros, zeros + 10.0)]
        log_prior = torch.logsumexp(
            torch.stack([w + log_normal(z, *g) for w, g in zip(log_weights, gaussians, strict=True)]), dim=0
        )
        kl = (log_normal(z, z_mean, z_log_var) - log_prior).sum(dim=1)
        nll = -(functional.log_softmax(decoder(z), dim=1) * x).sum(dim=1)
        return (nll + GAMMA * x.sum(dim=1) * kl).mean()

    def run() -> None:
        for number, phase in enumerate(PHASES):
            rows = matrix[number * batch_size : (number + 1) * batch_size]
            x = torch.from_numpy(rows.toarray()).float()
            for optimizer in optimizers.values():
                optimizer.zero_grad()
            loss(x, DROPOUT_RATE if phase == "encoder" else 0.0).backward()
            optimizers[phase].step()

    return run
