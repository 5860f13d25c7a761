"""Readers of rating logs."""
