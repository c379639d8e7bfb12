"""What a gateway process is made of."""

from dataclasses import dataclass

from redis import asyncio as aioredis

from tracetrack_common.db.session import Database
from tracetrack_common.settings import Settings
from tracetrack_gateway.accounts import Accounts
from tracetrack_gateway.areas import AreaReader
from tracetrack_gateway.audit import AuditReader
from tracetrack_gateway.authentication import Authenticator
from tracetrack_gateway.backpressure import Backpressure
from tracetrack_gateway.bag_types import BagTypeReader
from tracetrack_gateway.bags import BagSearch
from tracetrack_gateway.bills import BillReader
from tracetrack_gateway.commands import Commander
from tracetrack_gateway.delivery import DeliveryReader
from tracetrack_gateway.devices import Devices
from tracetrack_gateway.failed_work import FailedWorkReader
from tracetrack_gateway.feeds import LiveFeeds
from tracetrack_gateway.goods_returns import ReturnReader
from tracetrack_gateway.hashing import Hashing
from tracetrack_gateway.history import BagHistory
from tracetrack_gateway.jobs import JobReader
from tracetrack_gateway.limits import Limits
from tracetrack_gateway.login import Login
from tracetrack_gateway.metrics import Metrics
from tracetrack_gateway.nights import NightReader
from tracetrack_gateway.notifications import NotificationReader
from tracetrack_gateway.operations import Operations
from tracetrack_gateway.people import PeopleReader
from tracetrack_gateway.reading import Reader
from tracetrack_gateway.replies import ReplyListener
from tracetrack_gateway.report_schedules import ScheduleReader
from tracetrack_gateway.scan_search import ScanSearch
from tracetrack_gateway.snapshots import Snapshots
from tracetrack_gateway.submit import ScanSubmitter
from tracetrack_gateway.summons import Summoner
from tracetrack_gateway.uploads import Uploads


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of a gateway process, put together in `main`.

    Parameters
    ----------
    settings
        As the environment gave them.
    redis, database, snapshots
        Redis; Postgres, read-only; the reads of it.
    authenticator, submitter, commander, login, accounts, people, devices, reader, deliveries, failed_work, bag_types,
    areas, bills, goods_returns, operations, bags, scans, histories, audit, notifications, nights, jobs, schedules,
    uploads
        The use cases.
    hashing
        Hashes passwords beside the event loop.
    metrics
        What this process counts.
    replies, backpressure, summoner, feeds
        What runs beside the requests.
    callers
        How often a device or a person may ask.
    """

    settings: Settings
    redis: aioredis.Redis
    database: Database
    snapshots: Snapshots
    authenticator: Authenticator
    submitter: ScanSubmitter
    commander: Commander
    login: Login
    accounts: Accounts
    people: PeopleReader
    devices: Devices
    hashing: Hashing
    reader: Reader
    deliveries: DeliveryReader
    failed_work: FailedWorkReader
    bag_types: BagTypeReader
    areas: AreaReader
    bills: BillReader
    goods_returns: ReturnReader
    operations: Operations
    audit: AuditReader
    notifications: NotificationReader
    metrics: Metrics
    replies: ReplyListener
    backpressure: Backpressure
    summoner: Summoner
    bags: BagSearch
    scans: ScanSearch
    histories: BagHistory
    nights: NightReader
    feeds: LiveFeeds
    callers: Limits
    jobs: JobReader
    schedules: ScheduleReader
    uploads: Uploads
