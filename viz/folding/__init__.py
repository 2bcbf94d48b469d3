"""Scopes and repeated parts of a graph folded into one box each."""
