"""Models of the next item."""
