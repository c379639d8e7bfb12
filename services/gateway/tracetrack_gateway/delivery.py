"""Telling a device what has arrived of its counters, so that it keeps and sends again what has not."""

import time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import Connection

from tracetrack_common.delivery import Arrived, delivery_document, find_epochs
from tracetrack_gateway.snapshots import Snapshots

RANGES_LISTED = 1_000
"""In each list of an epoch, where a device asks for all; the lists of replies are much shorter."""

_EPOCHS_BEGIN_S = 1_577_836_800
"""2020-01-01: seconds since then fit the column until 2088, and no device that lost its memory uses one twice."""
_EPOCH_MAX = 2**31 - 1

_EXAMPLE: dict[str, JsonValue] = {
    "epoch": 1,
    "applied_through": 14,
    "missing": [[15, 16]],
    "failed": [],
    "listed_through": 17,
}


class Delivery(BaseModel):
    """What has arrived for good of the counters (`seq`) of an epoch: what the device need not keep any longer."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    epoch: int
    applied_through: int = Field(description="every counter from 1 to this one has arrived for good; 0: not even 1")
    missing: list[tuple[int, int]] = Field(
        description="first and last of each run of counters up to `listed_through` that has not: send those again"
    )
    failed: list[tuple[int, int]] = Field(
        description="counters up to `listed_through` that became failed work: sending those again cures nothing"
    )
    listed_through: int = Field(
        description="how far the lists go: a counter up to it that is not in `missing` has arrived for good"
    )


class EpochDelivery(Delivery):
    """What has arrived of an epoch, with longer lists."""

    model_config = ConfigDict(json_schema_extra={"example": {**_EXAMPLE, "highest_seq": 17}})

    highest_seq: int = Field(description="the highest counter that has arrived")


class DeviceDelivery(BaseModel):
    """What has arrived of a device's counters."""

    next_epoch: int = Field(description="for a device that lost its memory: an epoch that it has never used")
    epochs: list[EpochDelivery] = Field(description="newest first")
    next_cursor: str | None = Field(description="give it as `cursor` for older epochs; null on the last page")


class DeliveryReader:
    """Reads what has arrived, from Postgres itself.

    Parameters
    ----------
    snapshots
        Reads Postgres.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    async def epochs(self, device_id: int, *, below: int | None, limit: int) -> DeviceDelivery:
        """Give what has arrived of a device's epochs, newest first.

        Parameters
        ----------
        device_id
            Whose.
        below
            Only epochs before this one.
        limit
            At most so many.
        """

        def read(connection: Connection) -> tuple[list[Arrived], list[Arrived]]:
            newest = find_epochs(connection, device_id, limit=1)
            return newest, find_epochs(connection, device_id, limit=limit + 1, below=below)

        newest, found = await self._snapshots.read(read)
        after_newest = newest[0].epoch + 1 if newest else 0
        now = int(time.time()) - _EPOCHS_BEGIN_S
        return DeviceDelivery(
            next_epoch=min(max(after_newest, now), _EPOCH_MAX),
            epochs=[_epoch_of(each) for each in found[:limit]],
            next_cursor=str(found[limit - 1].epoch) if len(found) > limit else None,
        )


def newest_delivery(connection: Connection, device_id: int) -> Delivery | None:
    """Give what has arrived of a device's newest epoch; None for a device that does not count."""
    found = find_epochs(connection, device_id, limit=1)
    return Delivery(**_document(found[0])) if found else None


def _epoch_of(arrived: Arrived) -> EpochDelivery:
    delivery = arrived.describe(RANGES_LISTED)
    return EpochDelivery(**delivery_document(delivery), highest_seq=delivery.highest_seq)


def _document(arrived: Arrived) -> dict[str, Any]:
    return delivery_document(arrived.describe())
