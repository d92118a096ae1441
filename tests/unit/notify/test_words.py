"""Every text of the pages is said in English too, and no page says more than it may."""

import re
from pathlib import Path

import pytest

import services.notify
from shared.web.i18n import Texts

FOLDER = Path(services.notify.__file__).parent
TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))
SAME_IN_BOTH = {"%(ms)s ms", "Webhook (HTTPS)"}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_text_of_a_page_has_its_english(template: Path) -> None:
    texts = Texts(("services.notify", "shared.identity", "shared.web"))
    said = set(re.findall(r"""_\(\s*["'](.+?)["']\s*[,)]""", template.read_text("utf-8")))
    assert {text for text in said - SAME_IN_BOTH if texts.gettext("en", text) == text} == set()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_posts_carries_its_token_and_nothing_is_unescaped_but_our_own_list(template: Path) -> None:
    html = template.read_text("utf-8")
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", html, re.S)
    assert all("ui.token(form_token)" in form for form in forms)
    assert set(re.findall(r"(\w+) \| safe", html)) <= {"listed"}
    assert not re.search(r"\sstyle=|<script|onclick=", html)
