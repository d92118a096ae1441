"""Every text of the pages is said in English too, and no page says more than it may."""

import re
from pathlib import Path

import pytest

import services.notify
from tests.support.texts import english, said_in_templates

FOLDER = Path(services.notify.__file__).parent
TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))


def test_every_text_of_the_pages_has_its_english() -> None:
    said = said_in_templates("services.notify")
    assert len(said) > 50
    assert said - english(("services.notify", "shared.identity", "shared.web")).keys() == set()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_posts_carries_its_token_and_nothing_is_unescaped_but_our_own_list(template: Path) -> None:
    html = template.read_text("utf-8")
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", html, re.S)
    assert all("ui.token(form_token)" in form for form in forms)
    assert set(re.findall(r"(\w+) \| safe", html)) <= {"listed"}
    # Scripts are files of ours; nothing of a page is one.
    assert not re.search(r"\sstyle=|<script(?! type=\"module\" src=\"\{\{ asset\()|onclick=", html)
