"""Serve the gateway: `python -m tracetrack_gateway`."""

import sys
from contextlib import suppress

import uvicorn

from tracetrack_common.settings import Settings
from tracetrack_gateway.main import create_asgi
from tracetrack_gateway.serving import serve_config


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    server = uvicorn.Server(serve_config(settings, create_asgi(settings)))
    with suppress(KeyboardInterrupt):  # it stopped in order, and says so once more
        server.run()
    if not server.started:
        sys.exit(1)


if __name__ == "__main__":
    main()
