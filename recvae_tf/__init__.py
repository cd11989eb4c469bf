"""RecVAE, on top of multvae_tf."""
