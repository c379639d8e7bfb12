"""Who may do what: one table, denied by default (domain.md, People, devices, areas)."""

from collections.abc import Mapping
from enum import Enum, auto

from tracetrack_common.credentials import Principal
from tracetrack_common.errors import ForbiddenError


class Action(Enum):
    """What a route does."""

    SUBMIT_SCANS = auto()
    READ_SCANS = auto()
    READ_DELIVERY = auto()
    READ_BAGS = auto()
    READ_BILLS = auto()
    CHANGE_BILLS = auto()
    READ_RETURNS = auto()
    CHANGE_RETURNS = auto()
    READ_EOD = auto()
    RUN_EOD = auto()
    READ_STATS = auto()
    READ_COMMANDS = auto()
    MANAGE_DEVICES = auto()
    READ_FAILED_WORK = auto()
    RESOLVE_FAILED_WORK = auto()
    UNDO_SCANS = auto()
    RELINK_BAGS = auto()
    DELETE_BAGS = auto()
    READ_CATALOGUE = auto()
    CHANGE_CATALOGUE = auto()
    WATCH = auto()
    LOG_IN = auto()
    RESET_PASSWORD = auto()
    KEEP_OWN_ACCOUNT = auto()
    KEEP_OWN_SECOND_FACTOR = auto()
    MANAGE_USERS = auto()
    DELETE_BILLS = auto()
    READ_AUDIT = auto()
    USE_NOTIFICATIONS = auto()
    SEND_EOD = auto()
    WATCH_EVENTS = auto()
    MAKE_REPORTS = auto()
    MAKE_IMPORTS = auto()


NOBODY = "nobody"
"""Whoever has no token."""
ROLES = (NOBODY, "device", "dispatcher", "biller", "operator", "admin")

_ANYBODY = frozenset(ROLES)
_PEOPLE = frozenset({"dispatcher", "biller", "operator", "admin"})
_BUSINESS = frozenset({"device", "dispatcher", "biller", "admin"})
_BILLERS = frozenset({"biller", "admin"})
_OPERATORS = frozenset({"operator", "admin"})

PERMISSIONS: Mapping[Action, frozenset[str]] = {
    Action.SUBMIT_SCANS: frozenset({"device"}),
    Action.READ_SCANS: _BUSINESS,
    Action.READ_DELIVERY: frozenset({"device"}),
    Action.READ_BAGS: _BUSINESS,
    Action.READ_BILLS: _BUSINESS,
    Action.CHANGE_BILLS: _BILLERS,
    Action.READ_RETURNS: _BUSINESS,
    Action.CHANGE_RETURNS: _BILLERS,
    Action.READ_EOD: frozenset({"dispatcher", "biller", "admin"}),
    Action.RUN_EOD: _BILLERS,
    Action.READ_STATS: frozenset({"biller", "operator", "admin"}),
    Action.READ_COMMANDS: frozenset({"device", "dispatcher", "biller", "operator", "admin"}),
    Action.MANAGE_DEVICES: frozenset({"admin"}),
    Action.READ_FAILED_WORK: _OPERATORS,
    Action.RESOLVE_FAILED_WORK: _OPERATORS,
    Action.UNDO_SCANS: _BUSINESS,
    Action.RELINK_BAGS: _BILLERS,
    Action.DELETE_BAGS: frozenset({"admin"}),
    Action.READ_CATALOGUE: _BUSINESS,
    Action.CHANGE_CATALOGUE: frozenset({"admin"}),
    Action.WATCH: _ANYBODY,
    Action.LOG_IN: _ANYBODY,
    Action.RESET_PASSWORD: _ANYBODY,
    Action.KEEP_OWN_ACCOUNT: _PEOPLE,
    Action.KEEP_OWN_SECOND_FACTOR: frozenset({"admin"}),
    Action.MANAGE_USERS: frozenset({"admin"}),
    Action.DELETE_BILLS: frozenset({"admin"}),
    Action.READ_AUDIT: frozenset({"admin"}),
    Action.USE_NOTIFICATIONS: frozenset({"dispatcher", "biller", "operator", "admin"}),
    Action.SEND_EOD: frozenset({"admin"}),
    Action.WATCH_EVENTS: frozenset({"dispatcher", "biller", "admin"}),
    Action.MAKE_REPORTS: _BILLERS,
    Action.MAKE_IMPORTS: _BILLERS,
}


def require(principal: Principal, action: Action) -> None:
    """Let pass who may do this.

    Raises
    ------
    ForbiddenError
        The role may not.
    """
    allowed = PERMISSIONS[action]
    if principal.role not in allowed:
        raise ForbiddenError(f"A {principal.role} may not do this; it takes one of: {', '.join(sorted(allowed))}.")
