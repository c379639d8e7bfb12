"""The direct pipeline's gateway: ours, but what is accepted goes into a Celery message instead of the ledger."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import uvicorn
from celery import Celery
from kombu.exceptions import OperationalError
from starlette.types import ASGIApp

from tests.bench.peers.direct import TASK
from tracetrack_common.celery_app import build_publisher
from tracetrack_common.errors import UnavailableError
from tracetrack_common.settings import Settings
from tracetrack_gateway.accept import LedgerWriter, ScanAcceptor
from tracetrack_gateway.handlers import scans
from tracetrack_gateway.hot_path import HotPath
from tracetrack_gateway.limits import Limits
from tracetrack_gateway.main import create_app
from tracetrack_gateway.middleware import RequestFrame
from tracetrack_gateway.serving import serve_config
from tracetrack_gateway.submit import ScanSubmitter


class MessageWriter(LedgerWriter):
    """Sends what a ledger would take as one message.

    Parameters
    ----------
    publisher
        Sends it.
    """

    def __init__(self, publisher: Celery) -> None:
        self._publisher = publisher

    async def write(
        self, bodies: Sequence[tuple[bytes, bool]], ids: Sequence[tuple[str, str]], devices: Sequence[int] = ()
    ) -> Mapping[int, bytes]:
        """Send the entries; when this returns Redis has confirmed them. Identities and devices are kept nowhere."""
        del ids, devices
        arguments = [[body.decode() for body, _ in bodies]]
        try:
            # On a thread, since Celery waits for the confirmation: the next group fills meanwhile.
            await asyncio.to_thread(self._publisher.send_task, TASK, arguments, queue="scans", retry=False)
        except (OperationalError, OSError) as error:
            raise UnavailableError("The broker did not take it; send it again.") from error
        return {}


def create_asgi(settings: Settings) -> ASGIApp:
    """Make our application, with another place for its scans to go."""
    app = create_app(settings)
    ours = app.state.gateway
    writer = MessageWriter(build_publisher(settings, name="direct-gateway"))
    app.state.gateway = replace(
        ours, submitter=ScanSubmitter(ScanAcceptor(writer), ours.replies, ours.operations.backpressure)
    )
    hot_path = HotPath(
        app,
        {
            ("POST", "/api/v1/scans"): scans.submit_scan,
            ("POST", "/api/v1/scans/batch"): scans.submit_batch,
        },
    )
    addresses = Limits("address", per_s=settings.address_requests_per_s, burst=settings.address_requests_burst)
    return RequestFrame(
        hot_path, max_body_bytes=settings.max_body_bytes, addresses=addresses, observe=ours.metrics.observe
    )


def main() -> None:
    """Serve as our gateway does."""
    settings = Settings()
    uvicorn.Server(serve_config(settings, create_asgi(settings))).run()


if __name__ == "__main__":
    main()
