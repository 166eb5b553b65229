"""Recipes: which networks are trained, by which losses, in which order. One file each, and a line in `registry`."""
