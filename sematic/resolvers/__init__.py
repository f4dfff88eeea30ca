"""Where and how futures are resolved."""
