"""What measures the library: steps, evaluation, data preparation, serving, beside the plain ways."""
