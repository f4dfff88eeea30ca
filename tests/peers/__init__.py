"""Real registries and image tools that judge what sematic writes."""
