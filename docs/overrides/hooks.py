"""Hooks of the documentation site's build."""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:)([^)#\s]+)[^)]*\)")
"""A link in Markdown, not an image: its text and its target without the anchor."""


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Show a link to a folder, or to a file outside docs/, as plain text.

    The site has no such page. What does not exist is left alone: the strict build fails on it.
    """
    docs = pathlib.Path(page.file.src_dir or "").resolve()
    folder = (docs / page.file.src_uri).parent

    def shown(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        is_page = target.is_file() and target.is_relative_to(docs)
        return link[1] if target.exists() and not is_page else link[0]

    return _LINK.sub(shown, markdown)
