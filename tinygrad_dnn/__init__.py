"""A computational-graph engine on NumPy."""
