"""Derivatives measured from values alone, in the widest float that the platform has."""
