"""Studies: settings of the models that are trained under several seeds, compared, and reported."""
