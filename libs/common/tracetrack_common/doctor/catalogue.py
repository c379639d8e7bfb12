"""Every finding there is: how much it matters, what it means, what to do; `docs/doctor.md` lists the same.

`critical`: accepted work, or the proof of it, is lost or can be. `error`: figures are wrong or a part does not work.
`warning`: nothing is wrong yet.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple


class Entry(NamedTuple):
    """What is known of a finding before it is made."""

    severity: Literal["critical", "error", "warning"]
    meaning: str
    remedy: str


_FOLLOWS_HISTORY: Final = (
    "Stop the workers and correct the row from the intervals, which are the history and hold by constraint;"
    " the statements"
    " are in docs/doctor.md. Rows changed by hand are the usual cause: look for the time in PostgreSQL's log."
)
_TAMPERED: Final = (
    "Somebody wrote to the database past the application, or the disk is damaged. Keep a copy of the database as it is,"
    " find out who had access, and compare with the newest backup in which `tracetrack audit verify` finds nothing."
)
_SEE_LOG: Final = "Look into its log (`tracetrack logs`, `docker compose logs`) and start it again."

CATALOGUE: Final[Mapping[str, Entry]] = {
    # The examination itself.
    "postgres_silent": Entry(
        "critical",
        "PostgreSQL does not let us in. Scans are still accepted and wait in the ledger; nothing is applied.",
        "Start PostgreSQL, or correct TRACETRACK_DATABASE_URL. Nothing else is needed: the workers retry by"
        " themselves.",
    ),
    "redis_silent": Entry(
        "critical",
        "Redis does not answer. The gateway refuses every scan with 503; devices keep theirs.",
        "Start Redis, or correct TRACETRACK_REDIS_URL. Nothing else is needed.",
    ),
    "check_timed_out": Entry(
        "warning",
        "A statement of this check took longer than it may, so that it harms nobody. Nothing is known of what"
        " it checks.",
        "Run the doctor in a quiet hour, or allow a statement more time: `tracetrack doctor --timeout 600`.",
    ),
    "check_failed": Entry(
        "error",
        "The check could not be made. Nothing is known of what it checks.",
        "Read the sentence. Where a column or a table is missing, bring the schema up to date: `tracetrack migrate`.",
    ),
    # The servers.
    "postgres_setting": Entry(
        "critical",
        "With this setting PostgreSQL confirms commits that a power cut can undo, or damages pages: scans that were"
        " reported as applied would be lost.",
        "Set it as the sentence says (ALTER SYSTEM SET …; SELECT pg_reload_conf()), and look for who changed it.",
    ),
    "postgres_is_replica": Entry(
        "critical",
        "The workers talk to a server that takes no writes. Nothing is applied; scans wait in the ledger.",
        "Point TRACETRACK_DATABASE_URL to the primary, or promote this server.",
    ),
    "connections_short": Entry(
        "warning",
        "Nearly all connections are taken. Processes that need one more are refused and wait.",
        "Find who holds them (pg_stat_activity, CLIENT LIST). Lower TRACETRACK_DB_POOL_SIZE and"
        " TRACETRACK_DB_MAX_OVERFLOW, or raise max_connections (Redis: maxclients).",
    ),
    "transaction_left_open": Entry(
        "warning",
        "A transaction has been open for long. It keeps its locks, and PostgreSQL cannot clear away what has"
        " changed since.",
        "Find out what it does; end it with pg_terminate_backend(pid) when nobody knows.",
    ),
    "redis_setting": Entry(
        "critical",
        "With this setting Redis can lose what it has confirmed: the ledger of accepted scans.",
        "Set it as the sentence says, with CONFIG SET and in the server's settings file.",
    ),
    "redis_settings_hidden": Entry(
        "warning",
        "This user may not read Redis' settings, so nobody knows whether they hold the promise.",
        "Allow it `+config|get +info`, or have the server's owner confirm `appendfsync always`.",
    ),
    "redis_is_replica": Entry(
        "critical",
        "This Redis is a replica and takes no writes: no scan is accepted.",
        "Point TRACETRACK_REDIS_URL to the primary, or promote this server (REPLICAOF NO ONE).",
    ),
    "redis_append_fails": Entry(
        "critical",
        "Redis could not write its append-only file; the disk is full or broken.",
        "Make room or replace the disk; Redis takes writes again by itself.",
    ),
    "redis_evicted": Entry(
        "critical",
        "Redis has thrown keys out to make room. Accepted scans may be among them.",
        "Set maxmemory-policy to noeviction. Have the devices send again what was not confirmed as applied.",
    ),
    "redis_memory_short": Entry(
        "warning",
        "Redis is nearly full, or has no limit at all. At its limit scans are refused; without one the machine"
        " runs out of"
        " memory and Redis is killed.",
        "See why the ledger does not empty; give Redis more memory, or set maxmemory.",
    ),
    "clock_skew": Entry(
        "error",
        "The clocks of this machine and a server differ. Corrected scan times, leases and the end of the day"
        " are off by it.",
        "Let every machine keep its time by NTP or chrony; see which one is wrong.",
    ),
    # The schema.
    "schema_not_migrated": Entry(
        "critical",
        "The database does not have the schema of this release; statements will fail.",
        "Run `tracetrack migrate` (containers: `docker compose up migrate`).",
    ),
    "schema_unknown": Entry(
        "critical",
        "The database was migrated by a release that this one does not know.",
        "Install that release or a newer one; going back needs a backup from before its migration.",
    ),
    "schema_missing": Entry(
        "critical",
        "Part of the schema is gone. Without a constraint wrong rows get in; without an index statements are slow.",
        "Make it again as the migrations do (libs/common/tracetrack_common/db/migrations); repair the rows"
        " that it refuses.",
    ),
    "schema_differs": Entry(
        "error",
        "Part of the schema was changed by hand.",
        "Change it back to what db/schema.py says, or bring the change in as a migration.",
    ),
    "schema_extra": Entry(
        "warning",
        "Somebody added something by hand. An index makes every scan dearer; a constraint may refuse what is right.",
        "Remove it, or bring it in as a migration.",
    ),
    "constraint_not_enforced": Entry(
        "critical",
        "The constraint is there and does not hold: it was not validated, or its trigger is switched off.",
        "Repair the rows it would refuse, then ALTER TABLE … VALIDATE CONSTRAINT, or ALTER TABLE … ENABLE TRIGGER ALL.",
    ),
    "index_not_valid": Entry(
        "critical",
        "The index is not used and, where it is unique, decides nothing: its making was broken off.",
        "REINDEX INDEX CONCURRENTLY it; for a unique one, repair the rows it refuses first.",
    ),
    "partition_missing": Entry(
        "error",
        "The scans of that month have no partition and go to scan_default, from which moving them gets dearer"
        " every day.",
        "See whether beat and the command-worker run; `tracetrack migrate` makes partitions too.",
    ),
    "default_partition_large": Entry(
        "warning",
        "Many scans carry identities of an impossible time: the clocks of the devices named are off by months.",
        "Set those devices' clocks. The scans themselves are right: their times were corrected.",
    ),
    # People and devices.
    "admin_missing": Entry(
        "error",
        "Nobody can administer the system: there is no admin who is not disabled.",
        "Run `python -m tracetrack_common.bootstrap`, which makes one; then find out who removed the last.",
    ),
    "mirror_incomplete": Entry(
        "warning",
        "Redis does not hold every credential. Tokens are looked up in PostgreSQL, slower, and not at all"
        " while it is away.",
        "It is made again within a minute; if not, see whether beat and the command-worker run.",
    ),
    "mirror_missing": Entry(
        "error",
        "A device or person with a valid token is turned away.",
        "It is put right within a minute; if not, see whether beat and the command-worker run.",
    ),
    "mirror_outdated": Entry(
        "critical",
        "A token is accepted for what it no longer stands for: revoked, ended, or with other rights.",
        "It is put right within a minute; if not, see whether beat and the command-worker run. Look for who"
        " wrote to Redis.",
    ),
    # Counts against rows.
    "sack_count_differs": Entry("error", "A sack's count of children is not what its history says.", _FOLLOWS_HISTORY),
    "bag_place_differs": Entry(
        "error",
        "A bag's row says another sack or bill than its history, or is deleted in one of the two only.",
        _FOLLOWS_HISTORY,
    ),
    "bill_total_differs": Entry("error", "A bill's totals are not what is on it.", _FOLLOWS_HISTORY),
    "bill_status_differs": Entry("error", "A bill's status is not what its history says.", _FOLLOWS_HISTORY),
    "interval_reversed": Entry(
        "error",
        "An interval ends before it begins: figures as of a moment in between are wrong.",
        "Set its end to its beginning; look for who changed it.",
    ),
    "tally_differs": Entry(
        "error",
        "A running total is not the number of rows: /api/stats shows a wrong figure.",
        "Stop the workers, add the difference to the row of chain 1 in `tally`, and look for rows changed by hand.",
    ),
    "document_damaged": Entry(
        "error",
        "A stored document is not the one that was made: its digest differs.",
        "Remove its row from eod_document and make the summary's document again.",
    ),
    # Rows that belong to nothing, and effects.
    "orphan": Entry(
        "error",
        "Rows point at something that is not there.",
        "Bring back what is missing from a backup; where that cannot be, remove the rows and note it in the audit log.",
    ),
    "link_of_wrong_kind": Entry(
        "error",
        "A child is in something that is no sack, or a sack is in a sack.",
        "Find the scan by the link's identity and correct the bags' rows by hand.",
    ),
    "effect_without_scan": Entry(
        "critical",
        "Something happened to a bag or bill by no scan and no command: a row was made by hand, or a scan was removed.",
        _TAMPERED,
    ),
    "scan_without_effect": Entry(
        "critical",
        "A scan was confirmed as applied and nothing of it is in the history: its effect was lost or removed.",
        _TAMPERED,
    ),
    # The ledger.
    "ledger_old": Entry(
        "error",
        "Accepted work has been waiting for long. Nothing is lost; nothing is applied either.",
        "See whether the workers of this queue run and what they log; PostgreSQL may be away or slow.",
    ),
    "ledger_backlog": Entry(
        "warning",
        "So much waits that it was not compared with the database.",
        "Let the workers catch up, or start more of them, and run the doctor again.",
    ),
    "ledger_abandoned": Entry(
        "error",
        "Workers that are gone hold entries, and nobody takes them over: the sweeper does not run.",
        "Start a worker of this queue; it takes them over within seconds.",
    ),
    "ledger_applied": Entry(
        "warning",
        "Everything in these entries is in the database already; their worker died between commit and removal.",
        "A worker that runs removes them within seconds, and changes nothing. If they stay, see why none runs.",
    ),
    "ledger_id_left": Entry(
        "warning",
        "The index names identities whose work is done and whose entries are gone. They only take up memory.",
        "HDEL them from the index; report it, since it should not come about.",
    ),
    "ledger_id_lost": Entry(
        "critical",
        "Identities were accepted, and they are neither waiting, nor applied, nor in the failed work: they were lost.",
        "Have the device that is named send them again. Look for who wrote to Redis, and into the failed work"
        " for unreadable"
        " entries.",
    ),
    "failed_work_open": Entry(
        "error",
        "Accepted work could not be done and waits for a person to decide.",
        "See why with `tracetrack failed list`. When the cause is gone: `tracetrack failed replay ID…` (or `--all"
        " --reason …`); what shall never be done: `tracetrack failed discard ID… --because …` (docs/failed-work.md).",
    ),
    # The audit log.
    "audit_chain_broken": Entry("critical", "A row of the audit log was changed, removed or put in.", _TAMPERED),
    "audit_scans_altered": Entry(
        "critical",
        "The scans of a batch are not those that were written: one was changed, removed or put in.",
        _TAMPERED,
    ),
    "audit_batch_unknown": Entry("critical", "There are scans of a batch that the audit log does not know.", _TAMPERED),
    # The processes.
    "audit_not_protected": Entry(
        "warning",
        "The role of the services can change what was recorded: whoever takes over a service can. The chains still"
        " show it.",
        "Give the tables an owner of their own (docs/audit.md, Two roles), and set TRACETRACK_MIGRATION_DATABASE_URL"
        " for `migrate`.",
    ),
    "worker_silent": Entry(
        "error", "No worker answers that serves this queue: its work is accepted and waits.", _SEE_LOG
    ),
    "process_down": Entry("error", "A process of this machine is not running as it should.", _SEE_LOG),
    "gateway_silent": Entry("critical", "The gateway does not answer: devices cannot hand in anything.", _SEE_LOG),
    "gateway_not_ready": Entry(
        "error",
        "The gateway answers, and a part it needs does not.",
        "Read which part; start it again. Without PostgreSQL scans are still accepted, without Redis none.",
    ),
    "metrics_missing": Entry("warning", "Prometheus gets no figures: no alert can come.", _SEE_LOG),
    "flower_silent": Entry("warning", "Flower does not answer: nobody sees the queues.", _SEE_LOG),
    "flower_open": Entry(
        "critical",
        "Flower lets in anybody, who can then stop workers and read messages.",
        "Start it with FLOWER_BASIC_AUTH; until then close its port.",
    ),
    "flower_login_wrong": Entry(
        "warning",
        "Flower does not take the login that was made for it.",
        "Start it again: it gets its login from the state folder at its start.",
    ),
}
