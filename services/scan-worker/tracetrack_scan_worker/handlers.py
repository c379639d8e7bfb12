"""The commands of this service: what each does, by name."""

from tracetrack_common.commands import Handler
from tracetrack_common.db.session import Database
from tracetrack_scan_worker.apply import Applier
from tracetrack_scan_worker.areas import change_area, create_area
from tracetrack_scan_worker.attach import SackAttacher
from tracetrack_scan_worker.bag_types import change_bag_type, create_bag_type
from tracetrack_scan_worker.bills import complete_bill, create_bill, delete_bill, edit_bill, reopen_bill
from tracetrack_scan_worker.deletion import delete_bag
from tracetrack_scan_worker.detach import detach_sack
from tracetrack_scan_worker.goods_returns import cancel_return, commit_return, create_return
from tracetrack_scan_worker.imports.orders import IMPORTS
from tracetrack_scan_worker.notifications import prefer_mail, read_all_notifications, read_notification
from tracetrack_scan_worker.people import PEOPLE
from tracetrack_scan_worker.relink import relink_bag
from tracetrack_scan_worker.undo import undo_in_bag, undo_scan


def command_handlers(database: Database) -> dict[str, Handler]:
    """Give what executes each command.

    Parameters
    ----------
    database
        Where scans that a command brings with it are applied.
    """
    return {
        "bill.create": create_bill,
        "bill.complete": complete_bill,
        "bill.attach": SackAttacher(Applier(database)),
        "bill.detach": detach_sack,
        "bill.edit": edit_bill,
        "bill.reopen": reopen_bill,
        "bill.delete": delete_bill,
        "return.create": create_return,
        **PEOPLE,
        "scan.undo": undo_scan,
        "bag.undo": undo_in_bag,
        "bag.relink": relink_bag,
        "bag.delete": delete_bag,
        "bag_type.create": create_bag_type,
        "bag_type.change": change_bag_type,
        "area.create": create_area,
        "area.change": change_area,
        "return.commit": commit_return,
        "return.cancel": cancel_return,
        "notification.read": read_notification,
        "notification.read_all": read_all_notifications,
        "notification.prefer": prefer_mail,
        "import.create": IMPORTS.create,
        "import.cancel": IMPORTS.cancel,
    }
