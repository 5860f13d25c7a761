"""Made-up users and items, with the truth behind them."""
