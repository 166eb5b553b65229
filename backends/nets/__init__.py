"""Network architectures, each in a file of its own, without weights."""
