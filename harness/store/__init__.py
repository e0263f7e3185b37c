"""Results that outlive everything: predictions, scores and costs in one database.

`open_database` opens it; `harness.store.read` is for whoever shows results, `claim` and `Recorder` for the loop.
"""

from harness.store.database import Database, open_database

__all__ = ["Database", "open_database"]
