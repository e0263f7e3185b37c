"""Scores that were made elsewhere: published ones, which ship as tables, and results files that users bring.

`published` reads the tables, `reproduction` holds our own scores against them, `results_file` reads what BEIR and
MTEB write. The database's side is `harness.store.reports`.
"""
