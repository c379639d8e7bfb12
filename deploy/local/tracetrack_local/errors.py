"""What can stop the launcher, each as one sentence for the person at the keyboard."""


class LauncherError(Exception):
    """Ends the command with exit code 1; its text is the sentence that is printed, without a traceback."""
