"""How a loss is evaluated."""
