"""Idealized runtime and memory: a ledger of the model's own operations, priced on any hardware.

`trace` (torch) makes ledgers; everything else is plain Python over stored ledgers.
"""
