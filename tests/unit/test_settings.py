"""Settings: strict about names and values, and silent about secrets."""

import pytest
from pydantic import SecretStr, ValidationError

from tracetrack_common.settings import Settings

DATABASE_URL = "postgresql://tracetrack:secret-of-postgres@127.0.0.1:5432/tracetrack"
REDIS_URL = "redis://:secret-of-redis@127.0.0.1:6379/0"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("TRACETRACK_DATABASE_URL", DATABASE_URL)
    monkeypatch.setenv("TRACETRACK_REDIS_URL", REDIS_URL)
    return monkeypatch


def read_settings() -> Settings:
    return Settings()


def test_settings_are_read_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TRACETRACK_GATEWAY_PORT", "9090")

    settings = read_settings()

    assert settings.database_url.get_secret_value() == DATABASE_URL
    assert settings.gateway_port == 9090
    assert settings.gateway_host == "127.0.0.1"


def test_a_name_that_is_not_a_setting_is_refused_with_the_nearest_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TRACETRACK_GATEWAY_PROT", "9090")

    with pytest.raises(ValidationError, match=r"TRACETRACK_GATEWAY_PROT is not a setting .*TRACETRACK_GATEWAY_PORT"):
        read_settings()


@pytest.mark.parametrize("name", ["TRACETRACK_DATABASE_URL", "TRACETRACK_REDIS_URL"])
def test_a_secret_has_no_default(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)

    with pytest.raises(ValidationError, match=name.removeprefix("TRACETRACK_").lower()):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRACETRACK_GATEWAY_PORT", "70000"),
        ("TRACETRACK_GATEWAY_PORT", "http"),
        ("TRACETRACK_LOG_LEVEL", "loud"),
        ("TRACETRACK_LEASE_S", "0"),
        ("TRACETRACK_LEDGER_MOST_SCANS", "0"),
        ("TRACETRACK_REDIS_MOST_MEMORY_SHARE", "1.5"),
        ("TRACETRACK_CREDENTIAL_TTL_S", "6"),
        ("TRACETRACK_DATABASE_URL", "mysql://tracetrack:secret-of-postgres@127.0.0.1/tracetrack"),
        ("TRACETRACK_REDIS_URL", "http://:secret-of-redis@127.0.0.1:6379"),
    ],
)
def test_a_wrong_value_is_refused_and_no_secret_is_told(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)

    with pytest.raises(ValidationError) as refusal:
        read_settings()

    assert name.removeprefix("TRACETRACK_").lower() in str(refusal.value).lower()
    assert "secret-of" not in str(refusal.value)
    assert "secret-of" not in repr(refusal.value)


def test_an_unknown_name_tells_no_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TRACETRACK_NONSENSE", "1")

    with pytest.raises(ValidationError) as refusal:
        read_settings()

    assert "secret-of" not in str(refusal.value)


def test_no_secret_shows_in_print_or_in_json(environment: pytest.MonkeyPatch) -> None:
    del environment
    settings = read_settings()

    for shown in (str(settings), repr(settings), settings.model_dump_json(), f"{settings.model_dump()}"):
        assert "secret-of" not in shown


def test_settings_do_not_change(environment: pytest.MonkeyPatch) -> None:
    del environment
    settings = read_settings()

    with pytest.raises(ValidationError, match="frozen"):
        settings.redis_url = SecretStr("redis://elsewhere")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_URL", "http://secret@mail.example"),
        ("SMTP_URL", "smtp://"),
        ("SMTP_URL", "smtp://secret@host:99999"),
        ("MAIL_FROM", "nobody"),
        ("MIGRATION_DATABASE_URL", "mysql://secret@host/db"),
    ],
)
def test_a_wrong_address_is_refused_by_name_and_never_quoted(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(f"TRACETRACK_{name}", value)

    with pytest.raises(ValidationError, match=f"TRACETRACK_{name}") as caught:
        Settings()

    assert "secret" not in str(caught.value)


def test_an_empty_setting_is_one_that_was_left_out(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TRACETRACK_SMTP_URL", "")

    assert Settings().smtp_url is None
