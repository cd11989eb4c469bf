"""Linear item-item models: scores = x B, with B in closed form, sparse, or of low rank."""
