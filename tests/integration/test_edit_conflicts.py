"""Lost updates: who edits what somebody else has changed since they read it is told, and nothing is written."""

from typing import Any

import httpx
import pytest

from tests.support.gateway import Api, problem_of


@pytest.fixture
def path(api: Api, request: pytest.FixtureRequest) -> str:
    if request.param == "users":
        return f"users/{api.warehouse.person('biller').username}"
    return str(request.param)


@pytest.mark.parametrize(
    ("path", "first", "second", "shows"),
    [
        ("users", {"email": "first@warehouse.example"}, {"email": "second@warehouse.example"}, "email"),
        ("areas/akola", {"name": "Akola East"}, {"name": "Akola West"}, "name"),
        ("bag-types/2", {"child_weight_g": 1100}, {"child_weight_g": 900}, "child_weight_g"),
    ],
    indirect=["path"],
    ids=lambda value: str(value)[:20],
)
def test_of_two_who_edit_what_both_have_read_the_second_is_told(
    admin: httpx.Client, path: str, first: dict[str, Any], second: dict[str, Any], shows: str
) -> None:
    url = f"/api/v1/{path}"
    read = admin.get(url).raise_for_status()
    tag = read.headers["ETag"]

    changed = admin.patch(url, json=first, headers={"If-Match": tag})
    refused = admin.patch(url, json=second, headers={"If-Match": tag})

    assert changed.json()[shows] == first[shows]
    problem_of(refused, 412)
    assert admin.get(url).json()[shows] == first[shows]
    assert admin.get(url).headers["ETag"] == changed.headers["ETag"] != tag
    for anew in (f'"0", {changed.headers["ETag"]}', "*"):
        admin.patch(
            url, json={shows: read.json()[shows] or second[shows]}, headers={"If-Match": anew}
        ).raise_for_status()
        admin.patch(url, json=first).raise_for_status()


def test_a_tag_that_is_none_matches_nothing(admin: httpx.Client) -> None:
    problem_of(admin.patch("/api/v1/areas/akola", json={"name": "Akola"}, headers={"If-Match": "nonsense"}), 412)
