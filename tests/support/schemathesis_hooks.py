"""What Schemathesis cannot know: how lines of JSON are written."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def write_lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Give a body of lines; the document says that it is text."""
    del context
    return str(value).encode(errors="replace")
