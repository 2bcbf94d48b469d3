"""The page that steps through a forward and a backward pass."""
