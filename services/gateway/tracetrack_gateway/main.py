"""Composition root of the gateway: `python -m tracetrack_gateway`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from starlette.types import ASGIApp

from tracetrack_common.celery_app import build_publisher
from tracetrack_common.db.session import Database
from tracetrack_common.garbage import settle_garbage_collection
from tracetrack_common.log import configure_logging
from tracetrack_common.redis_client import connect_gateway, connect_listener
from tracetrack_common.settings import Settings
from tracetrack_gateway import openapi, problems
from tracetrack_gateway.accept import LedgerWriter, ScanAcceptor
from tracetrack_gateway.accounts import Accounts
from tracetrack_gateway.areas import AreaReader
from tracetrack_gateway.audit import AuditReader
from tracetrack_gateway.authentication import Authenticator
from tracetrack_gateway.backpressure import Backpressure
from tracetrack_gateway.bag_types import BagTypeReader
from tracetrack_gateway.bags import BagSearch
from tracetrack_gateway.bills import BillReader
from tracetrack_gateway.commands import Commander
from tracetrack_gateway.csv_lists import CsvLists
from tracetrack_gateway.delivery import DeliveryReader
from tracetrack_gateway.devices import Devices
from tracetrack_gateway.failed_work import FailedWorkReader
from tracetrack_gateway.feeds import LiveFeeds
from tracetrack_gateway.gateway import Gateway
from tracetrack_gateway.goods_returns import ReturnReader
from tracetrack_gateway.handlers import (
    areas,
    audit,
    bag_types,
    bags,
    bills,
    commands,
    delivery,
    devices,
    eod,
    events,
    failed_work,
    goods_returns,
    imports,
    moves,
    notifications,
    operations,
    own_account,
    password_resets,
    report_schedules,
    reports,
    scans,
    sessions,
    users,
)
from tracetrack_gateway.hashing import Hashing
from tracetrack_gateway.history import BagHistory
from tracetrack_gateway.hot_path import HotPath
from tracetrack_gateway.jobs import JobReader
from tracetrack_gateway.limits import Limits
from tracetrack_gateway.login import Login
from tracetrack_gateway.login_guard import LoginGuard
from tracetrack_gateway.metrics import Metrics
from tracetrack_gateway.middleware import RequestFrame
from tracetrack_gateway.nights import NightReader
from tracetrack_gateway.notifications import NotificationReader
from tracetrack_gateway.operations import Operations
from tracetrack_gateway.people import PeopleReader
from tracetrack_gateway.reading import Reader
from tracetrack_gateway.replies import ReplyListener
from tracetrack_gateway.report_schedules import ScheduleReader
from tracetrack_gateway.roles import deny_unstated
from tracetrack_gateway.scan_search import ScanSearch
from tracetrack_gateway.snapshots import Snapshots
from tracetrack_gateway.submit import ScanSubmitter
from tracetrack_gateway.summons import Summoner
from tracetrack_gateway.uploads import Uploads

_DESCRIPTION = """TraceTrack tracks sacks of goods through warehouses. Devices submit scans; each is accepted durably,
applied exactly once, and answered with an outcome whose `feedback` is `ok`, `already` or `stop`."""


def build_gateway(settings: Settings) -> Gateway:
    """Put a gateway process together; nothing is connected yet, so neither Redis nor Postgres need be there."""
    redis = connect_gateway(settings)
    database = Database(settings, application_name="tracetrack-gateway", read_only=True)
    snapshots = Snapshots(
        database, at_once=settings.db_pool_size + settings.db_max_overflow, timeout_s=settings.db_read_timeout_s
    )
    publisher = build_publisher(settings, name="tracetrack-gateway")
    summoner = Summoner(publisher)
    listener = connect_listener(settings)
    replies = ReplyListener(listener)
    authenticator = Authenticator(redis, snapshots, ttl_s=settings.credential_ttl_s, idle_s=settings.session_idle_s)

    def writer_of(queue: str) -> LedgerWriter:
        return LedgerWriter(redis, queue, summon=_summons_of(summoner, queue))

    commander = Commander(writer_of, replies)
    wait_s = settings.reply_timeout_s
    hashing, guard = Hashing(), LoginGuard(redis)
    people = PeopleReader(snapshots, redis, idle_s=settings.session_idle_s)
    backpressure = Backpressure(redis, settings)
    nights = NightReader(snapshots, settings)
    operations_ = Operations(redis, snapshots, backpressure, nights, lease_s=settings.lease_s)
    return Gateway(
        settings=settings,
        redis=redis,
        database=database,
        snapshots=snapshots,
        authenticator=authenticator,
        submitter=ScanSubmitter(ScanAcceptor(writer_of("scans")), replies, backpressure),
        commander=commander,
        login=Login(snapshots, commander, hashing, guard, wait_s=wait_s),
        accounts=Accounts(snapshots, people, commander, hashing, guard, wait_s=wait_s),
        people=people,
        devices=Devices(snapshots, redis, commander, wait_s=wait_s),
        hashing=hashing,
        reader=Reader(snapshots, redis),
        deliveries=DeliveryReader(snapshots),
        failed_work=FailedWorkReader(snapshots),
        bag_types=BagTypeReader(snapshots),
        areas=AreaReader(snapshots),
        bills=BillReader(snapshots),
        goods_returns=ReturnReader(snapshots),
        operations=operations_,
        audit=AuditReader(snapshots),
        notifications=NotificationReader(snapshots),
        metrics=Metrics(operations_),
        replies=replies,
        backpressure=backpressure,
        summoner=summoner,
        bags=BagSearch(snapshots),
        scans=ScanSearch(snapshots),
        histories=BagHistory(snapshots),
        nights=nights,
        feeds=LiveFeeds(listener, redis, authenticator, snapshots, most=settings.feeds_most),
        callers=Limits("caller", per_s=settings.caller_requests_per_s, burst=settings.caller_requests_burst),
        jobs=JobReader(snapshots, redis, settings.files),
        schedules=ScheduleReader(snapshots),
        uploads=Uploads(settings.files, most_bytes=settings.import_max_bytes),
    )


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the ASGI application.

    Parameters
    ----------
    settings
        Read from the environment when left out.
    """
    settings = settings or Settings()
    configure_logging(settings.log_level, process="gateway")
    gateway = build_gateway(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await gateway.replies.start()
        await gateway.backpressure.start()
        settle_garbage_collection()
        yield
        await gateway.feeds.stop()
        await gateway.backpressure.stop()
        await gateway.replies.stop()
        gateway.summoner.close()
        gateway.snapshots.close()
        gateway.hashing.close()
        await gateway.redis.aclose()
        gateway.database.close()

    app = FastAPI(
        title="TraceTrack",
        version="0.1.0",
        description=_DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        separate_input_output_schemas=False,
        dependencies=[Depends(deny_unstated)],
    )
    app.state.gateway = gateway
    problems.install(app)
    openapi.install(app)
    for module in (
        scans,
        delivery,
        bags,
        bills,
        goods_returns,
        eod,
        sessions,
        own_account,
        users,
        password_resets,
        devices,
        commands,
        failed_work,
        operations,
        moves,
        bag_types,
        areas,
        audit,
        notifications,
        events,
        reports,
        report_schedules,
        imports,
    ):
        app.include_router(module.router)
    return app


def create_asgi(settings: Settings | None = None) -> ASGIApp:
    """Make the application as it is served: in the frame around every request, lists as CSV, scans by the hot path.

    Parameters
    ----------
    settings
        Read from the environment when left out.
    """
    settings = settings or Settings()
    app = create_app(settings)
    hot_path = HotPath(
        app,
        {
            ("POST", "/api/v1/scans"): scans.submit_scan,
            ("POST", "/api/v1/scans/batch"): scans.submit_batch,
        },
    )
    observe = app.state.gateway.metrics.observe
    addresses = Limits("address", per_s=settings.address_requests_per_s, burst=settings.address_requests_burst)
    return RequestFrame(
        CsvLists(hot_path),
        max_body_bytes=settings.max_body_bytes,
        addresses=addresses,
        observe=observe,
        uploads={("POST", imports.PATH): settings.import_max_bytes},
    )


def _summons_of(summoner: Summoner, queue: str) -> Callable[[], None]:
    return lambda: summoner.summon(queue)
