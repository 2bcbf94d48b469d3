"""Tracing: a function is run once on Tensors and becomes a graph."""
