"""Code generation: a recorded graph becomes the source of a NumPy module."""
