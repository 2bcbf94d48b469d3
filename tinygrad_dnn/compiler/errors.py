"""Why a function can't be compiled, or may give what is not finite."""


class RecordingError(TypeError):
    """A function can't be compiled: what it did, and in which line."""


class SaturationWarning(UserWarning):
    """A value or gradient may be infinite or NaN where a sigmoid or an exponential saturates."""
