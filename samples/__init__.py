"""Photographs with masks for the demo, the docs and the tests; see SOURCES.tsv."""
