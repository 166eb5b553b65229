"""What can go wrong, by whose fault it is. Every message is one sentence that says what to do next."""


class LensError(Exception):
    """Base of all errors that are told to the user as one sentence; the command line exits with `exit_code`."""

    exit_code = 2


class InputError(LensError, ValueError):
    """The picture, mask, option or file that the user gave cannot be used."""


class MissingError(LensError):
    """Something that is needed is not here: weights, an optional package, a device."""


class WeightsError(LensError):
    """Weights are here but are not what the catalog says, or cannot be loaded."""


class NetworkError(LensError):
    """The network or a server did not deliver."""


class Cancelled(LensError):
    """The caller asked to stop."""

    exit_code = 130
