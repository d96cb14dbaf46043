"""Profiles: what a bench sets, and in words what that imitates and what it does not."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any

from edgekit.errors import UsageError
from edgekit.runtime.cpu_level import LEVELS

#: Python and a runtime do not start in less
LEAST_MB = 32
MOST_THREADS = 64

_SPEC_HINT = (
    "for example --profile isa=avx2,threads=1,mem=256M,cold; see `edgekit bench --profiles`."
)


@dataclass(frozen=True, slots=True)
class Profile:
    """The conditions of a run.

    Attributes:
      name: an alias, or the specification as it was given.
      threads: of the runtime.
      level: CPU level, see ``edgekit.runtime.cpu_level``.
      memory_mb: limit of the whole process in MB (2^20 bytes), None for none.
      cold: the file is dropped from the page cache before each process; always with a limit.
    """

    name: str
    threads: int = 1
    level: str = "native"
    memory_mb: int | None = None
    cold: bool = False

    @property
    def spec(self) -> str:
        """The settings in the grammar of ``--profile``."""
        parts = [f"isa={self.level}", f"threads={self.threads}"]
        parts += [f"mem={self.memory_mb}M"] if self.memory_mb else []
        return ",".join(parts + (["cold"] if self.cold else []))

    def imitates(self) -> str:
        """One sentence: what these settings share with a device."""
        told = [f"{self.threads} thread{'s' if self.threads > 1 else ''}"]
        if self.level != "native":
            told.append(f"the kernels that the runtimes take on an x86 CPU of level {self.level}")
        if self.memory_mb:
            told.append(f"an app that is killed above {self.memory_mb} MB")
        if self.cold:
            told.append("a first start with nothing of the file in memory")
        return f"imitates: {', '.join(told)}"

    def imitates_not(self) -> str:
        """One sentence: what nothing here can tell about a device."""
        told = ["a phone's clock, caches, ARM kernels, heat, energy, GPU or NPU"]
        if self.memory_mb:
            told.append(
                "an app's own memory (the limit counts this process's Python instead, about 25 MB)"
            )
        if self.cold:
            told.append("the speed of a phone's flash (bytes read are exact, milliseconds are not)")
        return f"does not imitate: {'; '.join(told)}"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


#: named by what a device of that class has in common with these settings, not by a phone
PROFILES = {
    profile.name: profile
    for profile in (
        Profile("low", threads=1, level="sse4.1", memory_mb=192, cold=True),
        Profile("mid", threads=1, level="avx2", memory_mb=256, cold=True),
        Profile("high", threads=4, level="avx2-vnni", memory_mb=512, cold=True),
    )
}


def parse_profile(text: str) -> Profile:
    """An alias ("low"), settings ("isa=avx2,threads=1,mem=256M,cold"), or both ("low,threads=2").

    Later parts win over earlier ones.

    Raises:
      UsageError: unknown alias or setting, or a value that means nothing.
    """
    parts = [part.strip() for part in text.split(",")]
    profile = Profile(text)
    for place, part in enumerate(parts):
        profile = PROFILES[part] if place == 0 and part in PROFILES else _set(profile, part)
    return _cold_if_limited(replace(profile, name=text))


def _cold_if_limited(profile: Profile) -> Profile:
    """Pages of the file that lie in the cache already are free for a limited process, and a file
    that needs them would seem to fit: a limit always means a cold start."""
    return replace(profile, cold=profile.cold or profile.memory_mb is not None)


def _set(profile: Profile, part: str) -> Profile:
    key, equals, value = part.partition("=")
    if part == "cold":
        return replace(profile, cold=True)
    if part == "warm":
        return replace(profile, cold=False)
    if not equals:
        raise UsageError(
            f"unknown profile '{part}'.", f"known: {', '.join(PROFILES)}; {_SPEC_HINT}"
        )
    if key == "isa":
        if value not in LEVELS:
            raise UsageError(f"unknown CPU level '{value}'.", f"known: {', '.join(LEVELS)}.")
        return replace(profile, level=value)
    if key == "threads":
        if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MOST_THREADS:
            raise UsageError(
                f"threads={value} is not a number from 1 to {MOST_THREADS}.", _SPEC_HINT
            )
        return replace(profile, threads=int(value))
    if key == "mem":
        return replace(profile, memory_mb=_megabytes(value))
    raise UsageError(f"a profile has no setting '{key}'.", "it has isa, threads, mem, cold, warm.")


def _megabytes(value: str) -> int | None:
    """ "256M" and "1G" as MB; "none" as None."""
    if value == "none":
        return None
    match = re.fullmatch(r"([0-9]{1,6})([MG])B?", value)
    if match is None:
        raise UsageError(
            f"mem={value} is no amount of memory.", "write mem=256M, mem=1G, mem=none."
        )
    amount = int(match[1]) * (1024 if match[2] == "G" else 1)
    if amount < LEAST_MB:
        raise UsageError(
            f"mem={value} is less than {LEAST_MB} MB.",
            "Python and the runtime alone need about 25 MB of the limit.",
        )
    return amount


def chosen(profile: str | None, level: str | None, threads: int | None) -> Profile:
    """The conditions of a run: a profile's, with the command's own options before them.

    Precedence: ``--cpu`` and ``--threads``, then the parts of ``--profile`` from right to left,
    then the alias in it, then one thread, native, no limit, warm.

    Raises:
      UsageError: see ``parse_profile``; an unknown level.
    """
    result = parse_profile(profile) if profile is not None else Profile("none")
    if level is not None:
        result = replace(_set(result, f"isa={level}"))
    if threads is not None:
        result = replace(result, threads=threads)
    return result
