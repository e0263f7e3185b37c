"""Flowcharts as graphs: what they are, their Mermaid code, and how answers about them are read."""
