"""Embeddings and item encoders."""
