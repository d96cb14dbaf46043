"""Profiles: what they set, which option wins, and what they claim."""

from __future__ import annotations

import json

import pytest

from edgekit.bench.profiles import PROFILES, Profile, chosen, parse_profile
from edgekit.cli.main import run_command
from edgekit.errors import UsageError


def test_settings() -> None:
    found = parse_profile("isa=avx2,threads=2,mem=256M,cold")
    assert (found.level, found.threads, found.memory_mb, found.cold) == ("avx2", 2, 256, True)
    assert found.spec == "isa=avx2,threads=2,mem=256M,cold"
    assert parse_profile(found.spec).spec == found.spec
    assert parse_profile("mem=1G").memory_mb == 1024
    assert parse_profile("cold") == Profile("cold", cold=True)


@pytest.mark.parametrize("name", list(PROFILES))
def test_aliases(name: str) -> None:
    assert parse_profile(name) == PROFILES[name]
    changed = parse_profile(f"{name},threads=7,isa=native")
    assert (changed.threads, changed.level) == (7, "native")
    assert changed.memory_mb == PROFILES[name].memory_mb


def test_later_parts_win() -> None:
    assert parse_profile("low,mem=none,warm").spec == "isa=sse4.1,threads=1"
    assert parse_profile("threads=2,threads=3").threads == 3


def test_a_memory_limit_means_a_cold_start() -> None:
    assert parse_profile("mem=128M,warm").cold


def test_options_win_over_the_profile() -> None:
    assert chosen("low", None, None) == PROFILES["low"]
    mixed = chosen("low", "native", 3)
    assert (mixed.level, mixed.threads, mixed.memory_mb) == ("native", 3, 192)
    assert chosen(None, None, None).spec == "isa=native,threads=1"
    assert chosen(None, "avx2", 4).spec == "isa=avx2,threads=4"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("phone", "unknown profile 'phone'"),
        ("threads=2,low", "unknown profile 'low'"),  # an alias comes first
        ("", "unknown profile ''"),
        ("isa=mmx", "unknown CPU level 'mmx'"),
        ("threads=0", "threads=0"),
        ("threads=many", "threads=many"),
        ("threads=²", "threads=²"),
        ("mem=lots", "mem=lots"),
        ("mem=10M", "less than 32 MB"),
        ("mem=", "mem="),
        ("disk=1G", "no setting 'disk'"),
    ],
)
def test_what_means_nothing(text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=told):
        parse_profile(text)
    assert run_command(["bench", "nowhere", "--profile", text]) == 2
    assert told in capsys.readouterr().err


def test_every_profile_says_what_it_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["bench", "--profiles"]) == 0
    told = capsys.readouterr().out
    for profile in PROFILES.values():
        assert f"{profile.name}: {profile.spec}" in told
        assert profile.imitates() in told
        assert profile.imitates_not() in told
    assert "level avx2" in PROFILES["mid"].imitates()
    assert "killed above 256 MB" in PROFILES["mid"].imitates()
    assert "ARM" in PROFILES["mid"].imitates_not()
    assert "killed" not in Profile("x").imitates()
    assert run_command(["bench", "--profiles", "--json"]) == 0
    assert {p["name"] for p in json.loads(capsys.readouterr().out)["result"]} == set(PROFILES)


def test_unknown_level_and_missing_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["bench", "nowhere", "--cpu", "mmx"]) == 2
    assert run_command(["bench"]) == 2
    assert run_command(["bench", "nowhere", "--lengths", "0"]) in (2, 3)
    capsys.readouterr()
