"""Ratings: sources, parsers, splits."""
