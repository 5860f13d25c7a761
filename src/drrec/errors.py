"""Errors of the user's input; the command line prints their message and exits with status 2."""


class InputError(ValueError):
    """Invalid input. The message states what was expected, what was received and how to fix it.

    Examples:
        >>> import drrec
        >>> try:
        ...     drrec.load("missing.drrec")
        ... except drrec.InputError as error:
        ...     print(error)
        Expected a saved model in missing.drrec. Received: nothing there. Save the model again.
    """


class NotFittedError(InputError, AttributeError):
    """The model is not fitted."""
