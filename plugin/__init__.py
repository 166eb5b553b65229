"""The one operation behind every front end: fill, explain, layers."""
