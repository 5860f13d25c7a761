"""Serving: a trained run as a program without TensorFlow, by HTTP, with a store of events."""
