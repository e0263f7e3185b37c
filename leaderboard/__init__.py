"""The leaderboard: a Streamlit app that reads stored results and never writes any. `harness serve` starts it."""
