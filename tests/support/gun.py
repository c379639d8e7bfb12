"""A device as a program of its own, to be killed: `python -m tests.support.gun URL TOKEN JOURNAL [CODE PARENT]…`.

It records what it is given, says so, delivers, and says each scan that is settled.
"""

import sys

from tracetrack_device import DeviceClient, Habits, Record


def say(line: str) -> None:
    """Say a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Record, then deliver in small batches."""
    url, token, journal, *codes = sys.argv[1:]

    def tell(record: Record) -> None:
        say(record.body["code"])

    client = DeviceClient(url, token, journal, habits=Habits(batch=10), on_settled=tell)
    with client:
        for code, parent in zip(codes[::2], codes[1::2], strict=True):
            client.record("child", code, parent_code=parent)
        say("recorded")
        client.deliver()


if __name__ == "__main__":
    main()
