"""The documentation builds as a site without a warning, and no link of it leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from shiftbook.frontend import what_goes_in

ROOT = Path(__file__).parents[2]
AT_THE_TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
"""Pages that the site does not hold."""

LINK = re.compile(r"\]\(([^)\s]*)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def build(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def anchors(page: Path) -> set[str]:
    """What a link can name of a page: its headings."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def broken(text: str, folder: Path) -> list[str]:
    """Links of a page in a folder that lead nowhere. Links out of the project are not followed."""
    found = []
    for link in LINK.findall(CODE.sub("", text)):
        name, _, anchor = link.partition("#")
        page = folder / name
        if link.startswith("https://"):
            continue
        if not page.exists() or (anchor and anchor not in anchors(page)):
            found.append(link)
    return found


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = build("--site-dir", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "shiftbook.frontend.schemes.base.Scheme" in (tmp_path / "reference.html").read_text()


def test_broken_links_fail_the_build(tmp_path: Path) -> None:
    links = ("missing.md", "index.md#missing", "/index.md", "../README.md")
    (tmp_path / "docs").mkdir()
    page = "# Index\n\n" + " ".join(f"[page]({link})" for link in links)
    (tmp_path / "docs" / "index.md").write_text(page)
    settings = (ROOT / "mkdocs.yml").read_text()
    plain = re.sub(r"^  - mkdocstrings:\n(?: {6,}.*\n)+", "", settings, flags=re.MULTILINE)
    (tmp_path / "mkdocs.yml").write_text(plain)
    done = build("--config-file", str(tmp_path / "mkdocs.yml"))
    assert done.returncode == 1
    assert "Aborted with 4 warnings in strict mode" in done.stdout + done.stderr
    assert all(link.partition("#")[0] in done.stderr for link in links)


@pytest.mark.parametrize("name", AT_THE_TOP)
def test_links_of_pages_at_the_top_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    assert LINK.search(text)
    assert not broken(text, ROOT)


def test_a_link_that_leads_nowhere_is_seen() -> None:
    text = "[a](docs/missing.md) [b](docs/index.md#missing) [c](docs/index.md#start-here) `[d](e)`"
    assert broken(text, ROOT) == ["docs/missing.md", "docs/index.md#missing"]


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_page_is_found_from_the_index(page: Path) -> None:
    assert page.name == "index.md" or f"({page.name})" in (ROOT / "docs" / "index.md").read_text()


def test_what_goes_in_is_what_the_code_says():
    page = (ROOT / "docs" / "bring-your-own-model.md").read_text()
    assert what_goes_in.table() in page, "python -m shiftbook.frontend.what_goes_in prints the table"
    assert page.index(what_goes_in.table()) < page.index("## 1."), "the page begins with it"
