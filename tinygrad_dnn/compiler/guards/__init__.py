"""Guards: what a compiled function closed over, and whether that is still the same."""
