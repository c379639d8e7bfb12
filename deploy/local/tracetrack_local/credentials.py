"""The first passwords and token of an installation, kept in the state folder and readable by its owner only."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tracetrack_local.durable import write_private
from tracetrack_local.errors import LauncherError

CREDENTIALS_FILE = "credentials.json"


class _Record(BaseModel):
    """A part of the file: immutable, and strict about names so that a damaged file is noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Login(_Record):
    """
    A username and its password.

    Attributes
    ----------
    username
        Name to log in with.
    password
        Its password; kept out of ``repr`` so that it reaches no log.
    """

    username: str = Field(min_length=1)
    password: str = Field(min_length=1, repr=False)


class DeviceCredential(_Record):
    """
    The first device and its token.

    Attributes
    ----------
    name
        The device's name.
    area
        The dispatch area it belongs to.
    token
        Its bearer token; kept out of ``repr`` so that it reaches no log.
    """

    name: str = Field(min_length=1)
    area: str = Field(min_length=1)
    token: str = Field(min_length=1, repr=False)


class Credentials(_Record):
    """
    Everything a client on this machine needs to talk to the running system.

    Attributes
    ----------
    gateway_url, flower_url
        Base addresses without a slash at the end.
    admin
        The first admin.
    device
        The first device.
    flower
        The login of Flower.
    """

    gateway_url: str
    flower_url: str
    admin: Login
    device: DeviceCredential
    flower: Login

    @classmethod
    def load(cls, state_dir: Path) -> Self:
        """
        Read the credentials of a state folder.

        Raises
        ------
        LauncherError
            When the file is missing, unreadable or damaged.
        """
        path = credentials_path(state_dir)
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise LauncherError(
                f"There are no credentials in {path} yet: start the system with `tracetrack up` first."
            ) from None
        except ValidationError:
            # The validation error would quote the file, passwords and all.
            raise LauncherError(
                f"{path} is damaged: restore it from a copy, or move the whole state folder away to begin anew."
            ) from None
        except OSError as error:
            raise LauncherError(f"{path} cannot be read ({error.strerror}).") from None

    def save(self, state_dir: Path) -> Path:
        """
        Write the credentials durably, mode 0600 from the first byte on.

        Returns
        -------
        Path
            The file written.
        """
        path = credentials_path(state_dir)
        write_private(path, self.model_dump_json(indent=2) + "\n")
        return path


def credentials_path(state_dir: Path) -> Path:
    """Give the credentials file of a state folder."""
    return state_dir / CREDENTIALS_FILE
