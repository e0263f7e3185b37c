"""Talking to an OpenAI-compatible endpoint: one retry layer, limits on what is under way, replies that are kept."""
