"""Pages: prose ends by column 120, and relative links point at files that exist."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LAST_COLUMN = 120
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ONLY_A_LINK = re.compile(r"\s*([-*+] |\d+\. )?!?(\[[^\]]*\]\([^)]*\)|<https?:[^>]*>)[.,;:]?\s*")
_CODE_SPAN = re.compile(r"`[^`]*`")


def prose(text: str) -> list[tuple[int, str]]:
    """(number, line) of every line that is in no block of code, be it fenced or indented."""
    kept, is_fenced, follows_code_or_blank = [], False, True
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith(("```", "~~~")):
            is_fenced = not is_fenced
            continue
        is_indented = line.startswith("    ") and follows_code_or_blank
        follows_code_or_blank = is_indented or not line.strip()
        if not is_fenced and not is_indented:
            kept.append((number, line))
    return kept


def long_lines(text: str) -> list[int]:
    """Numbers of the lines of prose, tables and lone links left out, that are too long."""
    return [
        number
        for number, line in prose(text)
        if len(line) > LAST_COLUMN
        and not line.lstrip().startswith("|")
        and not _ONLY_A_LINK.fullmatch(line)
    ]


def broken_links(text: str, folder: pathlib.Path) -> list[str]:
    """Relative targets of links and pictures in prose that do not exist, seen from `folder`."""
    words = "\n".join(_CODE_SPAN.sub("", line) for _, line in prose(text))
    targets = {target.partition("#")[0] for target in _LINK.findall(words)}
    relative = {target for target in targets if target and not re.match(r"[a-z]+:", target)}
    return sorted(target for target in relative if not (folder / target).exists())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_ends_by_the_last_column(page):
    assert long_lines(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_point_at_files_that_exist(page):
    assert broken_links(page.read_text(encoding="utf-8"), page.parent) == []


def test_long_prose_is_found_and_tables_code_and_lone_links_are_not():
    long = "word " * 30
    page = f"{long}\n\n| {long} |\n\n    {long}\n\n```\n{long}\n```\n\n- item\n    {long}\n"
    assert long_lines(page) == [1, 12]
    assert long_lines(f"[{long}](https://example.org)") == []


def test_broken_links_are_found(tmp_path):
    (tmp_path / "there.md").touch()
    page = "[a](there.md#part) [b](gone.md) ![c](gone.png) [d](https://x.org) `[e](code.md)`"
    assert broken_links(page, tmp_path) == ["gone.md", "gone.png"]
