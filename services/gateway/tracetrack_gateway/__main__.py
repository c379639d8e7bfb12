"""Serve the gateway: `python -m tracetrack_gateway`."""

import uvicorn

from tracetrack_common.settings import Settings
from tracetrack_gateway.main import create_asgi
from tracetrack_gateway.serving import serve_config


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    uvicorn.Server(serve_config(settings, create_asgi(settings))).run()


if __name__ == "__main__":
    main()
