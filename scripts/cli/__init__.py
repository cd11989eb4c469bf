"""What the commands share: their flags, their errors, and how TensorFlow is set up."""
