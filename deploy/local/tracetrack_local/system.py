"""The whole system on this machine: what is started in which order, and what must be right before."""

import os
from collections.abc import Callable, Sequence
from functools import partial

import psutil
import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from tracetrack_common.bootstrap import FirstCredentials, first_start
from tracetrack_common.settings import Settings
from tracetrack_local import ports, readiness, services
from tracetrack_local.credentials import Credentials, DeviceCredential, Login, credentials_path
from tracetrack_local.errors import LauncherError
from tracetrack_local.postgres import EmbeddedPostgres, check_version
from tracetrack_local.process import Child
from tracetrack_local.readiness import database_complaint, redis_complaint
from tracetrack_local.record import ProcessRecord, SupervisorRecord
from tracetrack_local.settings import embeds_postgres, embeds_valkey, flower_url, gateway_url, with_servers
from tracetrack_local.state import ServerAccess, StateFolder
from tracetrack_local.supervisor import Supervisor
from tracetrack_local.valkey import EmbeddedValkey

SERVERS_TIMEOUT_S = 300.0  # a server may have a long log to replay after a power cut
MIGRATE_TIMEOUT_S = 3600.0  # a migration of a large database takes its time
SERVICES_TIMEOUT_S = 120.0  # on two busy cores they take some ten seconds


class LocalSystem:
    """
    The system of one state folder. The caller holds the folder's lock.

    Parameters
    ----------
    settings
        As read from the environment.
    state
        The folder, made and checked.
    announce
        Told in one sentence what happened.
    """

    def __init__(self, settings: Settings, state: StateFolder, announce: Callable[[str], None]) -> None:
        self.settings = settings
        self.state = state
        self._announce = announce
        self._record_fails = False
        self.supervisor = Supervisor(announce=announce, on_change=self._write_record)

    def check(self) -> None:
        """
        Find what would go wrong, before anything is started.

        Raises
        ------
        LauncherError
            When a port is taken or the state folder is damaged.
        """
        settings = self.settings
        ports.require_free(
            settings.gateway_port,
            settings.gateway_host,
            port_setting="TRACETRACK_GATEWAY_PORT",
            host_setting="TRACETRACK_GATEWAY_HOST",
        )
        ports.require_free(settings.flower_port, "127.0.0.1", port_setting="TRACETRACK_FLOWER_PORT")
        if credentials_path(self.state.path).exists():
            Credentials.load(self.state.path)
        if self.state.postgres.exists() and embeds_postgres():
            check_version(self.state.postgres)
        require_given_database(settings)
        require_given_redis(settings)

    def start(self) -> tuple[Credentials | None, Login]:
        """
        Start everything, one stage after the other, each when the one before is ready.

        Returns
        -------
        Credentials or None
            None when the database had its first admin before this state folder was made.
        Login
            Flower's.

        Raises
        ------
        LauncherError
            When something does not start.
        StopRequestedError
            When somebody asked to stop meanwhile.
        """
        access = ServerAccess.settle(self.state)
        self.start_servers(access)
        self._announce("bringing the database to the newest schema")
        self.migrate()
        self._announce("starting the services")
        credentials = self._settle_credentials(access)
        self._start_services(access)
        return credentials, _flower_login(access)

    def start_servers(self, access: ServerAccess, *, with_valkey: bool = True) -> None:
        """
        Start the embedded servers, those that no address was given for, and put their addresses into the settings.

        Raises
        ------
        LauncherError
            When one does not start.
        """
        postgres = embedded_postgres(self.state, access) if embeds_postgres() else None
        valkey = embedded_valkey(self.state, access) if embeds_valkey() and with_valkey else None
        stages: list[dict[Child, Callable[[], bool]]] = []
        if postgres is not None:
            postgres.prepare()
            stages.append({Child(postgres.spec(), self.state.logs): lambda: readiness.postgres_answers(postgres)})
        if valkey is not None:
            valkey.prepare()
            stages.append({Child(valkey.spec(), self.state.logs): lambda: readiness.valkey_answers(valkey)})
        if stages:
            self._announce("starting " + " and ".join(child.name for stage in stages for child in stage))
        self.supervisor.start(stages, timeout_s=SERVERS_TIMEOUT_S)
        if postgres is not None:
            self._ensure_database(postgres)
        self.settings = with_servers(
            self.settings,
            database_url=postgres.url() if postgres else None,
            redis_url=valkey.url() if valkey else None,
            migration_database_url=postgres.owner_url() if postgres else None,
        )

    def _ensure_database(self, postgres: EmbeddedPostgres) -> None:
        try:
            postgres.ensure_database()
        except psycopg2.Error as error:
            raise LauncherError(f"PostgreSQL would not make the database: {_first_line(error)}.") from None

    def migrate(self) -> None:
        """
        Bring the database to the newest schema.

        Raises
        ------
        LauncherError
            When that fails.
        """
        self.supervisor.run_once(
            Child(services.migrate_spec(self.settings), self.state.logs), timeout_s=MIGRATE_TIMEOUT_S
        )

    def _settle_credentials(self, access: ServerAccess) -> Credentials | None:
        """Make the first admin and device when the database has none, and keep what they log in with."""

        def save(admin: Login, device: DeviceCredential) -> Credentials:
            credentials = Credentials(
                gateway_url=gateway_url(self.settings),
                flower_url=flower_url(self.settings),
                admin=admin,
                device=device,
                flower=_flower_login(access),
            )
            credentials.save(self.state.path)
            return credentials

        def keep(first: FirstCredentials) -> None:
            save(
                Login(username=first.admin_username, password=first.admin_password),
                DeviceCredential(name=first.device_name, area=first.device_area, token=first.device_token),
            )

        try:
            first_start(self.settings, keep=keep)
        except SQLAlchemyError as error:
            raise LauncherError(f"The first admin and device could not be made: {_first_line(error)}.") from None
        if not credentials_path(self.state.path).exists():
            return None
        known = Credentials.load(self.state.path)
        return save(known.admin, known.device)

    def _start_services(self, access: ServerAccess) -> None:
        settings, logs = self.settings, self.state.logs
        roll = readiness.WorkerRoll(settings, services.WORKERS.values())
        gateway = Child(services.gateway_spec(settings), logs)
        workers = {Child(spec, logs): services.WORKERS[spec.name] for spec in services.worker_specs(settings)}
        beat = Child(services.beat_spec(settings, self.state), logs)
        flower = Child(services.flower_spec(settings, access.flower), logs)
        stages: list[dict[Child, Callable[[], bool]]] = [
            {gateway: lambda: readiness.gateway_is_ready(gateway_url(settings))},
            {worker: partial(roll.is_present, node, worker) for worker, node in workers.items()},
            {
                beat: lambda: readiness.beat_ticks(beat, self.state.beat_schedule),
                flower: lambda: readiness.flower_answers(flower_url(settings)),
            },
        ]
        self.supervisor.start(stages, timeout_s=SERVICES_TIMEOUT_S)

    def _write_record(self, processes: Sequence[ProcessRecord]) -> None:
        record = SupervisorRecord(
            pid=os.getpid(),
            started_at=psutil.Process().create_time(),
            gateway_url=gateway_url(self.settings),
            flower_url=flower_url(self.settings),
            processes=tuple(processes),
        )
        try:
            record.save(self.state.path)
        except OSError as error:
            # The children matter more than the record of them: go on, and say so once.
            if not self._record_fails:
                self._announce(f"the record for `tracetrack status` cannot be written ({error.strerror})")
            self._record_fails = True
        else:
            self._record_fails = False


def require_given_database(settings: Settings) -> None:
    """
    Check that a database that somebody else runs for this system lets it in.

    Raises
    ------
    LauncherError
        When it does not.
    """
    complaint = None if embeds_postgres() else database_complaint(settings.database_url.get_secret_value())
    if complaint is not None:
        raise LauncherError(f"The database that TRACETRACK_DATABASE_URL names does not let us in: {complaint}.")


def require_given_redis(settings: Settings) -> None:
    """
    Check that a Redis server that somebody else runs for this system lets it in.

    Raises
    ------
    LauncherError
        When it does not.
    """
    complaint = None if embeds_valkey() else redis_complaint(settings.redis_url.get_secret_value())
    if complaint is not None:
        raise LauncherError(f"The server that TRACETRACK_REDIS_URL names does not let us in: {complaint.rstrip('.')}.")


def embedded_postgres(state: StateFolder, access: ServerAccess) -> EmbeddedPostgres:
    """Give the embedded PostgreSQL of a state folder."""
    return EmbeddedPostgres(
        data_dir=state.postgres,
        port=access.postgres.port,
        superuser_password=access.postgres.superuser_password,
        owner_password=access.postgres.owner_password,
        app_password=access.postgres.app_password,
    )


def embedded_valkey(state: StateFolder, access: ServerAccess) -> EmbeddedValkey:
    """Give the embedded Valkey of a state folder."""
    valkey = access.valkey
    return EmbeddedValkey(
        data_dir=state.valkey, port=valkey.port, password=valkey.password, admin_password=valkey.admin_password
    )


def _flower_login(access: ServerAccess) -> Login:
    return Login(username=access.flower.username, password=access.flower.password)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
