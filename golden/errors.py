"""The one error that users see."""


class ShiftbookError(ValueError):
    """A mistake in the input that the user can mend.

    The message is one line: what is wrong, the bad value, and what would be right. The command line
    prints it and exits with code 2; anything else that reaches the user is a bug of ours.
    """
