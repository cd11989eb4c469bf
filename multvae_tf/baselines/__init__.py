"""The other systems of the papers: popularity, neighbourhoods, matrix factorisation, ranking losses, RaCT."""
