"""Effects: what scans and commands did, both ways, so that nothing is lost and nothing came from nowhere."""

from sqlalchemy import text

from tracetrack_common.doctor.finding import Examined, Finding
from tracetrack_common.doctor.partitions import oldest_identity
from tracetrack_common.doctor.system import System, describe_examples, examples_of

_WITHOUT_SCAN = examples_of(
    "SELECT source, id FROM ("
    " SELECT 'bag' AS source, created_by AS id FROM bag"
    " UNION ALL SELECT 'bag_link', link_id FROM bag_link"
    " UNION ALL SELECT 'bag_link', closed_by FROM bag_link WHERE closed_by IS NOT NULL"
    " UNION ALL SELECT 'bill_sack', entry_id FROM bill_sack"
    " UNION ALL SELECT 'bill_sack', closed_by FROM bill_sack WHERE closed_by IS NOT NULL"
    " UNION ALL SELECT 'bill_state', change_id FROM bill_state"
    " UNION ALL SELECT 'bill_version', closed_by FROM bill_version"
    " UNION ALL SELECT 'return_sack', entry_id FROM return_sack"
    " UNION ALL SELECT 'scan_undo', scan_id FROM scan_undo"
    " UNION ALL SELECT 'scan_undo', command_id FROM scan_undo"
    " UNION ALL SELECT 'bag_deletion', deletion_id FROM bag_deletion"
    " UNION ALL SELECT 'bag_deletion', revived_by FROM bag_deletion WHERE revived_by IS NOT NULL"
    ") AS effect WHERE id >= :oldest"
    " AND NOT EXISTS (SELECT FROM scan WHERE scan_id = id) AND NOT EXISTS (SELECT FROM command WHERE command_id = id)"
)
_WITHOUT_EFFECT = examples_of(
    "SELECT scan_id, kind, code FROM scan WHERE kind = 'child' AND outcome = 'applied'"
    " AND NOT EXISTS (SELECT FROM bag_link WHERE link_id = scan_id)"
    " UNION ALL SELECT scan_id, kind, code FROM scan WHERE kind = 'bill' AND outcome = 'applied'"
    " AND NOT EXISTS (SELECT FROM bill_sack WHERE entry_id = scan_id)"
    " UNION ALL SELECT scan_id, kind, code FROM scan WHERE kind = 'return' AND outcome = 'applied'"
    " AND NOT EXISTS (SELECT FROM return_sack WHERE entry_id = scan_id)"
    " UNION ALL SELECT scan_id, kind, code FROM scan WHERE kind = 'parent' AND outcome = 'applied'"
    " AND NOT EXISTS (SELECT FROM bag WHERE created_by = scan_id)"
    " AND NOT EXISTS (SELECT FROM bag_deletion WHERE revived_by = scan_id)"
    " UNION ALL SELECT scan_id, 'undone ' || kind, code FROM scan_undo JOIN scan USING (scan_id)"
    " WHERE NOT EXISTS (SELECT FROM bag_link WHERE link_id = scan_id AND closed_by = command_id)"
)
_COUNT = text("SELECT count(*) FROM scan WHERE outcome = 'applied'")


def check_effects(system: System) -> Examined:
    """See that every applied scan had its effect, and that every effect is a scan's or a command's.

    Effects that are older than the oldest partition are left out: their scans may have gone with a partition that was
    detached.
    """
    applied = system.rows.execute(_COUNT).scalar_one()
    findings = []
    if rows := system.rows.execute(_WITHOUT_EFFECT).all():
        detail = describe_examples(rows, "scans", "{kind} {code} by {scan_id}")
        findings.append(Finding("scan_without_effect", "scan", detail))
    if rows := system.rows.execute(_WITHOUT_SCAN, {"oldest": oldest_identity(system.rows)}).all():
        detail = describe_examples(rows, "effects", "{source} by {id}")
        findings.append(Finding("effect_without_scan", rows[0].source, detail))
    return Examined(f"{applied:,} applied scans and their effects", tuple(findings))
