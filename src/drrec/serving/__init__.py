"""Saved models as services ask them: without TensorFlow, query by query, and by HTTP."""
