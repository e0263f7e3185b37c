"""Equal Footing: a benchmark and leaderboard harness for models of any family."""

__version__ = "0.1.0"
