"""Serve the gateway: `python -m tracetrack_gateway`."""

import uvicorn

from tracetrack_common.settings import Settings
from tracetrack_gateway.main import create_asgi

_BACKLOG = 2_048
_KEEP_ALIVE_S = 75
_GRACEFUL_SHUTDOWN_S = 20


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    uvicorn.run(
        create_asgi(settings),
        host=settings.gateway_host,
        port=settings.gateway_port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.trusted_proxies is not None,
        forwarded_allow_ips=settings.trusted_proxies,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_S,
    )


if __name__ == "__main__":
    main()
