"""Generating text with causal language models: where weights are, prompts as tokens, shared prefixes, decoding."""
