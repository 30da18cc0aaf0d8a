import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_of_keys_is_the_one_that_the_schema_makes() -> None:
    page = runpy.run_path(str(DOCS / "config_table.py"))["page"]
    written = (DOCS / "config.md").read_text()

    assert "| `agents.defaults.maxSteps` | a whole number | `50` |" in written
    assert page(written) == written, "bring it up to date: python docs/config_table.py"
