"""One workshop for all pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.workshop import Workshop, open_workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with open_workshop(tmp_path_factory.mktemp("documents")) as shop:
        yield shop
