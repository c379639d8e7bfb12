"""Kombu's Redis transport, with one more way in which it says that its connection was lost."""

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Transport as RedisTransport


class Transport(RedisTransport):
    """The Redis transport for which an `AttributeError` is a lost connection, as a `KeyError` is in kombu already.

    When Redis goes while a worker holds a message, kombu 5.7 takes the connection down in parts: reading the last
    answer fails, so the channel stays open while its transport is let go of, and giving the held messages back on the
    second attempt asks that transport for an address: ``'NoneType' object has no attribute 'hostname'``. Celery knows
    it for no connection error and ends the worker. Known as one, it is what it is: the consumer connects anew.
    """

    connection_errors = (*RedisTransport.connection_errors, AttributeError)


def install_transport() -> None:
    """Have every Redis address mean this transport; the address itself stays, as Flower reads it too."""
    own = f"{Transport.__module__}:{Transport.__name__}"
    TRANSPORT_ALIASES.update(redis=own, rediss=own)
