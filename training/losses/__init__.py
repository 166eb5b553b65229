"""Losses, one family in a file; `registry` knows those of a fill by name.

Pictures are `[N, 3, H, W]` in [0, 1], holes `[N, 1, H, W]` in {0, 1}. Every loss is a scalar: the mean over the batch
of what each picture costs, so that it does not change when a batch is computed in parts.
"""
