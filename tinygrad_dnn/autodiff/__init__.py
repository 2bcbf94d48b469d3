"""Recording and differentiating: the Tensor, the reverse sweep, and functions of functions."""
