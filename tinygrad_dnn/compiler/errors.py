"""Why a function can't be compiled."""


class RecordingError(TypeError):
    """A function can't be compiled: what it did, and in which line."""
