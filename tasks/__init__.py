"""Task families: each folder here is a benchmark family behind `harness.contract`."""
