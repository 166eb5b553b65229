"""Inside GIMP: the standard library and `gi` only, Python 3.9 and later."""
