"""The dependencies, as far as they can be known without a network: pinned, hashed, one version, a licence that fits.

Known vulnerabilities need a database of them: `make audit-online`.
"""

import re
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.markers import Marker

_ROOT = Path(__file__).parents[2]
_LOCKS = sorted([*_ROOT.glob("requirements*.lock"), *_ROOT.glob("services/*/requirements.lock")])
_PIN = re.compile(r"^(?P<name>[a-z0-9._-]+)(\[[^]]*])?==(?P<version>[^\s;]+)\s*(;\s*(?P<marker>[^\\]+?))?\s*\\?$")
_HASH = re.compile(r"^--hash=sha256:[0-9a-f]{64}\s*\\?$")
_FITTING = re.compile(
    r"apache|mit\b|bsd|isc\b|psf|python software|mozilla|mpl|zpl|zope|unlicense|public domain|0bsd|lgpl|lesser"
    r"|postgresql|cc0|blueoak",
    re.IGNORECASE,
)
"""Licences that a program under Apache-2.0 may depend on; LGPL libraries are imported as they are."""


def pins(lock: Path) -> dict[str, str]:
    """Give the versions of a lock file that this machine installs; anything in it that is no hashed pin fails."""
    found: dict[str, str] = {}
    requirements = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8").strip())
    for requirement in requirements:
        first, *rest = [line.strip() for line in requirement.splitlines() if not line.lstrip().startswith("#")]
        pin = _PIN.match(first)
        assert pin is not None, f"{lock.name}: {first}"
        assert rest, f"{lock.name}: {first} has no hash"
        assert all(_HASH.match(line) for line in rest), f"{lock.name}: {requirement}"
        if pin["marker"] is None or Marker(pin["marker"]).evaluate():
            found[pin["name"]] = pin["version"]
    return found


def licence_of(package: Distribution) -> str:
    """Give what a package says of its licence."""
    said = [each for field in ("License-Expression", "License") for each in package.metadata.get_all(field) or ()]
    classified = [each for each in package.metadata.get_all("Classifier") or () if each.startswith("License")]
    return " ".join([*(each[:200] for each in said), *classified])


@pytest.mark.parametrize("lock", _LOCKS, ids=lambda lock: str(lock.relative_to(_ROOT)))
def test_everything_is_pinned_to_a_version_and_its_hashes(lock: Path) -> None:
    assert pins(lock)


def test_a_package_has_the_same_version_wherever_it_is_locked() -> None:
    versions: dict[str, set[str]] = {}
    for lock in _LOCKS:
        for name, version in pins(lock).items():
            versions.setdefault(name, set()).add(version)

    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_what_is_installed_is_what_is_locked() -> None:
    locked = pins(_ROOT / "requirements.lock") | pins(_ROOT / "requirements-dev.lock")

    assert {name: distribution(name).version for name in locked} == locked


def test_what_is_given_away_is_under_licences_that_fit() -> None:
    licences = {name: licence_of(distribution(name)) for name in pins(_ROOT / "requirements.lock")}

    assert {name: licence for name, licence in licences.items() if not _FITTING.search(licence)} == {}
