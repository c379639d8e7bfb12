"""A scanner gun in fifteen lines: child codes on standard input, one a line; a tone for each on standard output."""

import os
import sys

from tracetrack_device import DeviceClient

URL, TOKEN = os.environ["GUN_URL"], os.environ["GUN_TOKEN"]

with DeviceClient(URL, TOKEN, "gun.journal") as gun:
    for line in sys.stdin:
        scanned = gun.scan("child", line.strip(), parent_code=sys.argv[1])
        print(scanned.feedback or "recorded", scanned.answer and scanned.answer.get("message"))
    gun.deliver()
    for record in gun.troubles():
        print("refused:", record.body["code"], record.answer)
