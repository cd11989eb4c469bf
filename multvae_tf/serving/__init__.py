"""What TensorFlow Serving is given, what speaks with it, and its own C++ runtime to test that in."""
