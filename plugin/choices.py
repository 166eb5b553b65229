"""Names that people choose from; no imports, so that a parser can be built at once."""

METHODS = ("path-ig", "gradient", "input-x-gradient", "integrated-gradients", "occlusion", "rise", "provenance")
SMOOTHINGS = ("none", "mean", "gaussian", "median")
DEVICES = ("auto", "cpu", "cuda", "mps")
DEFAULT_BACKEND = "lens-small"
