"""The commands on people, their credentials and devices, and what follows the commit of each."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from redis import Redis

from tracetrack_common.commands import Handler
from tracetrack_common.contracts import Command
from tracetrack_common.db.session import Database
from tracetrack_scan_worker.devices import enrol_device, mirror_device, revoke_device, rotate_device
from tracetrack_scan_worker.password_resets import request_reset, reset_password
from tracetrack_scan_worker.second_factors import confirm_second_factor, enrol_second_factor, remove_second_factor
from tracetrack_scan_worker.sessions import end_session, start_session
from tracetrack_scan_worker.users import change_user, create_user, end_sessions, mirror_user, set_password

PEOPLE: Mapping[str, Handler] = {
    "user.create": create_user,
    "user.change": change_user,
    "user.end_sessions": end_sessions,
    "password.change": set_password,
    "password.set": set_password,
    "password.request_reset": request_reset,
    "password.reset": reset_password,
    "second_factor.enrol": enrol_second_factor,
    "second_factor.confirm": confirm_second_factor,
    "second_factor.remove": remove_second_factor,
    "session.start": start_session,
    "session.end": end_session,
    "device.enrol": enrol_device,
    "device.rotate": rotate_device,
    "device.revoke": revoke_device,
}
"""What to do, by the command's name."""

_CHANGE_SESSIONS = (
    "user.change",
    "user.end_sessions",
    "password.change",
    "password.set",
    "password.reset",
    "second_factor.remove",
    "session.start",
    "session.end",
)
_CHANGE_DEVICES = ("device.enrol", "device.rotate", "device.revoke")


def follow_up_people(database: Database, redis: Redis) -> dict[str, Callable[[Command, Mapping[str, Any]], None]]:
    """Give what lets the gateways know, by the command's name: a revoked credential is turned away within seconds."""
    of_user, of_device = partial(mirror_user, database, redis), partial(mirror_device, database, redis)
    return {**dict.fromkeys(_CHANGE_SESSIONS, of_user), **dict.fromkeys(_CHANGE_DEVICES, of_device)}
