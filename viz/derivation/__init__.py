"""The gradients of a graph, derived line by line."""
