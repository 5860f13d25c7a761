"""Vectors of users and items."""
