"""A hook of MkDocs: on the site every lint rule, finding and catalogue entry also has a page of its own.

The pages exist only there; `mkdocs.yml` names this file. API: mkdocs 1.6, `mkdocs/structure/files.py`.
"""

from __future__ import annotations

import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from qcluster.report.pages import entry_pages

_FOLDER = "reference"
_HEADING = re.compile(r"^## (\S+)(.*)$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those that were found on disk."""
    for path, text in entry_pages().items():
        files.append(File.generated(config, f"{_FOLDER}/{path}", content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """On the page of all rules, a heading leads to the rule's own page; so for findings and the catalogue."""
    kind = page.file.src_uri.removeprefix(f"{_FOLDER}/").removesuffix(".md")
    known = entry_pages()

    def link(found: re.Match[str]) -> str:
        target = f"{kind}/{found[1]}.md"
        return f"## [{found[1]}]({target}){found[2]}" if target in known else found[0]

    return _HEADING.sub(link, markdown)
