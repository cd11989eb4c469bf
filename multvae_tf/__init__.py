"""Mult-VAE and Mult-DAE, and what every multinomial autoencoder here stands on."""
