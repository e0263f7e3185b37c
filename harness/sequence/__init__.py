"""Sequence models with exchangeable parts: one backbone, with slots for what mixes, normalises and feeds forward."""
