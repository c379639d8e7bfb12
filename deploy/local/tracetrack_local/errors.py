"""What can stop the launcher, each as one sentence for the person at the keyboard."""


class LauncherError(Exception):
    """Ends the command with exit code 1; its text is the sentence that is printed, without a traceback."""


class RefusedError(LauncherError):
    """
    The gateway answered, and would not do what was asked.

    Parameters
    ----------
    what
        What it was asked.
    reason
        Why not.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"The gateway refused {what}: {reason}")
        self.reason = reason
