"""The error that a person can mend: one line, no traceback, exit status 2."""


class InputError(ValueError):
    """Bad input: the message says what was expected, what was received and how to mend it."""


class NotFittedError(InputError, AttributeError):
    """What was asked for is there only after `fit`."""
