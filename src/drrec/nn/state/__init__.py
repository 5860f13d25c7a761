"""State modules: from what a user liked to a state vector."""
