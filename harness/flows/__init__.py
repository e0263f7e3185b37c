"""Detectors over rows of features: tables, preprocessing, windows, learners, networks, and files larger than memory."""
