"""Commands: what people change takes the same road as scans, and they get the outcome in the same request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tracetrack_common.contracts import Command, Origin, encode_command
from tracetrack_common.credentials import Principal
from tracetrack_common.errors import BY_CODE, TraceTrackError, UnavailableError
from tracetrack_common.ids import uuid7
from tracetrack_gateway.accept import LedgerWriter
from tracetrack_gateway.replies import ReplyListener


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command.

    Parameters
    ----------
    command_id
        Its identity; `/api/v1/commands/{command_id}` tells how it goes on.
    outcome
        What it gave; None when that is not known yet.
    """

    command_id: str
    outcome: Mapping[str, Any] | None


class Commander:
    """Sends commands to the workers.

    Parameters
    ----------
    writer_of
        Makes the writer of a queue's ledger.
    replies
        Hears the outcomes.
    """

    def __init__(self, writer_of: Callable[[str], LedgerWriter], replies: ReplyListener) -> None:
        self._writers = {queue: writer_of(queue) for queue in ("commands", "reports")}
        self._replies = replies

    async def send(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        principal: Principal,
        origin: Origin,
        wait_s: float,
        queue: str = "commands",
        idempotency_key: str | None = None,
    ) -> Answer:
        """Send a command, and wait for its outcome.

        Parameters
        ----------
        name, arguments
            What to do; no secrets.
        principal, origin
            Who asks, in which request.
        wait_s
            How long the outcome is waited for.
        queue
            Whose work it is.
        idempotency_key
            The same key gives the same outcome, once.

        Raises
        ------
        TraceTrackError
            As the worker refused it.
        UnavailableError
            It was not accepted.
        """
        with self._replies.expecting(1) as (waiter, reply_to):
            command = Command(
                command_id=str(uuid7()),
                name=name,
                actor=principal.actor,
                area_id=principal.area_id,
                arguments=arguments,
                origin=origin,
                reply_to=reply_to,
                idempotency_key=idempotency_key,
            )
            entry = [(encode_command(command), True)]
            await self._writers[queue].write(entry, [(command.command_id, command.actor)])
            reply = (await waiter.wait(wait_s)).get(0)
        if reply is None:
            return Answer(command.command_id, None)
        if reply["status"] != "done":
            raise refusal_of(reply["outcome"])
        return Answer(command.command_id, reply["outcome"])


def settled(answer: Answer) -> dict[str, Any]:
    """Give an outcome that somebody must have at once: a token whose writing is not known to be done is never shown.

    Raises
    ------
    UnavailableError
        It is not known yet.
    """
    if answer.outcome is None:
        raise UnavailableError("The workers do not answer; try again.")
    return dict(answer.outcome)


def refusal_of(outcome: Mapping[str, Any]) -> TraceTrackError:
    """Give the error that a worker refused a command with."""
    kind = BY_CODE.get(outcome["code"])
    if kind is None:
        return TraceTrackError(outcome["detail"])
    return kind(outcome["detail"], errors=outcome["errors"])
