"""How good fills are, and how to show them side by side.

`metrics` scores a fill against the original, `sheet` sets pictures side by side. Both are imported by their own
name, so that importing this package stays quick.
"""
