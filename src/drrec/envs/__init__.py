"""Sessions to learn in."""
