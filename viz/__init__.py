"""Draw, and later explore and derive, what the engine recorded."""
