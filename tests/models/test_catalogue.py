"""The file that remembers what servers said: written by several processes, never in anybody's way."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from garra.models.cache import Catalogue
from garra.models.catalogue import Listing, Served

URL = "http://127.0.0.1:8000/v1"
LISTING = Listing(1.0, (Served("m", 8192),))


def test_what_is_written_at_the_same_time_is_all_kept(tmp_path: Path) -> None:
    names = [f"provider{number}" for number in range(40)]

    def keep(name: str) -> None:
        Catalogue(tmp_path / "cache" / "catalogue.json").keep_listing(name, URL, LISTING)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep, names))

    kept = Catalogue(tmp_path / "cache" / "catalogue.json")
    assert [name for name in names if kept.listing(name, URL) != LISTING] == []


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    catalogue = Catalogue(tmp_path / "cache" / "catalogue.json")

    catalogue.keep_listing("vllm", URL, LISTING)

    assert catalogue.listing("vllm", URL) is None
