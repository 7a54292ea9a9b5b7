"""A secret that goes into a template comes out as a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from qcluster.secret import Secret
from qcluster.templating import Templar

SECRET = "canary-7"
VARIABLES = {"key": Secret(SECRET), "alias": "{{ key }}", "config": {"auth": Secret(SECRET), "port": 1}, "n": 3}


@pytest.mark.parametrize(
    "template",
    ["{{ key }}", "Bearer {{ key }}", "{{ alias }}", "{{ config.auth }}", "{{ key | upper | lower }}!", "{{ key }}\n"],
)
def test_a_text_with_a_secret_in_it_is_a_secret(template: str) -> None:
    result = Templar(VARIABLES).render(template)
    assert isinstance(result, Secret)
    assert SECRET in result.reveal()
    assert str(result) == "***"


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ key == 'canary-7' }}", True),
        ("{{ key | length }}", 8),
        ("{{ 'set' if key else 'unset' }}", "set"),
        ("{{ n }}", 3),
        ("{{ config.port }}", 1),
    ],
)
def test_what_does_not_contain_it_is_ordinary(template: str, value: object) -> None:
    assert Templar(VARIABLES).render(template) == value


def test_a_secret_text_keeps_its_newlines_too() -> None:
    result = Templar(VARIABLES).render("p={{ key }}\n\n")
    assert isinstance(result, Secret) and result.reveal() == f"p={SECRET}\n\n"


def test_a_container_keeps_its_secrets_apart() -> None:
    result = Templar(VARIABLES).render({"header": "X {{ key }}", "port": "{{ n }}", "all": "{{ config }}"})
    assert isinstance(result["header"], Secret)
    assert isinstance(result["all"]["auth"], Secret)
    assert result["port"] == 3 and result["all"]["port"] == 1


def test_conditions_can_compare_secrets() -> None:
    assert Templar(VARIABLES).condition("key == 'canary-7' and alias != 'x'")


def test_a_template_file_with_a_secret_is_a_secret() -> None:
    result = Templar(VARIABLES).text("key={{ key }}\nport={{ n }}\n")
    assert isinstance(result, Secret)
    assert result.reveal() == f"key={SECRET}\nport=3\n"


def test_a_filter_gets_the_real_text() -> None:
    result = Templar(VARIABLES).render("{{ config | to_json }}")
    assert isinstance(result, Secret)
    assert result.reveal() == '{"auth": "canary-7", "port": 1}'


def test_a_secret_of_another_host_stays_one() -> None:
    class Other(Mapping[str, object]):
        """What an engine's `hostvars` gives: values rendered by the other host's templar."""

        def __getitem__(self, name: str) -> object:
            return Templar(VARIABLES).render(VARIABLES[name])

        def __iter__(self) -> Iterator[str]:
            return iter(VARIABLES)

        def __len__(self) -> int:
            return len(VARIABLES)

    templar = Templar({"hostvars": {"x": Other()}})
    for template in ("{{ hostvars.x.key }}", "to {{ hostvars['x'].key }}", "{{ hostvars.x.key | replace('x', 'y') }}"):
        result = templar.render(template)
        assert isinstance(result, Secret) and SECRET in result.reveal()
    assert templar.render("{{ hostvars.x.key | length }}") == 8
    assert templar.condition("hostvars.x.key is match('canary')")
