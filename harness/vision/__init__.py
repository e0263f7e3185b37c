"""Flowcharts read out of pixels by rules: boxes, arrowheads, the lines between them, and the text in the boxes."""
