"""Databases for tests: copies of a migrated template, emptied and used again where a test left their form alone.

A copy costs some 350 new files; emptying one costs some 20 statements on tables that hold next to nothing.
"""

from contextlib import closing

import psycopg2

from tests.support.servers import EmbeddedServers

_FORM = """
    SELECT md5(concat(
        (SELECT string_agg(t::text, ',' ORDER BY t::text) FROM area AS t),
        (SELECT string_agg(t::text, ',' ORDER BY t::text) FROM bag_type AS t),
        (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
        (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
        (SELECT count(*) FROM pg_trigger),
        (SELECT count(*) FROM pg_constraint)
    ))
"""
"""What a test must have left as it was: the rows that ship by default, the tables and what hangs on them."""

_EMPTY = """
    SET lock_timeout = '2s';
    SET session_replication_role = replica;
    DO $$
    DECLARE
        filled regclass;
    BEGIN
        FOR filled IN
            SELECT oid FROM pg_class
            WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
                AND relname NOT IN ('alembic_version', 'area', 'audit_chain', 'bag_type', 'server_key')
        LOOP
            EXECUTE format('DELETE FROM %s', filled);
        END LOOP;
        UPDATE audit_chain SET seq = 0, hash = '';
        PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) FROM pg_sequences
        WHERE schemaname = 'public' AND sequencename NOT IN ('area_area_id_seq', 'bag_type_bag_type_id_seq');
    END $$
"""


class Databases:
    """Lends databases to tests.

    Parameters
    ----------
    servers
        Where they are.
    template
        The migrated database they are copies of.
    """

    def __init__(self, servers: EmbeddedServers, template: str) -> None:
        self._servers = servers
        self._template = template
        self._idle: list[str] = []
        self._made = 0
        self._form: object = None

    def borrow(self) -> str:
        """Give the name of a database that holds what the template holds."""
        if self._idle:
            return self._idle.pop()
        self._made += 1
        name = f"test_{self._made}"
        self._servers.create_database(name, template=self._template)
        if self._form is None:
            self._form = self._ask(name, _FORM)
        return name

    def give_back(self, name: str) -> None:
        """Take a database back: emptied for the next test, or removed when its form was changed."""
        try:
            is_usable = self._ask(name, _FORM) == self._form
            if is_usable:
                self._ask(name, _EMPTY)
        except psycopg2.Error:
            is_usable = False
        if is_usable:
            self._idle.append(name)
        else:
            self._servers.drop_database(name)

    def _ask(self, name: str, statement: str) -> object:
        with closing(psycopg2.connect(self._servers.superuser_url(name))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                row = cursor.fetchone() if cursor.description else None
        return None if row is None else row[0]
