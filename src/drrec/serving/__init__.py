"""Recommending from a saved run."""
