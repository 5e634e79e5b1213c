from __future__ import annotations

import base64
from pathlib import Path

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from genrefusion.reports.pages import TEMPLATES, Cell, Column, read_picture, render
from genrefusion.reports.palette import INK, NIGHT

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "' onload='alert(1)")


@pytest.fixture
def own_template(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A page on the base template, as the next report would be."""
    for path in TEMPLATES.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "own.html.j2").write_text(
        '{% extends "base.html.j2" %}{% from "macros.html.j2" import table %}'
        "{% block title %}{{ title }}{% endblock %}"
        "{% block main %}{{ table(title, columns, rows, last_is_sum=true) }}{% endblock %}"
    )
    monkeypatch.setattr("genrefusion.reports.pages.TEMPLATES", tmp_path)
    return tmp_path


def own_page(text: str) -> str:
    rows = [[Cell(text, text), Cell("1", share=0.5)], [Cell(text), Cell("2")]]
    return render(
        "own.html.j2",
        title=text,
        columns=[Column(text, number=False), Column("n")],
        rows=rows,
        versions={"genrefusion": text},
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_shown_and_never_becomes_part_of_the_page(own_template: Path, text: str) -> None:
    harmless = own_page("harmless")
    page = own_page(text)
    assert text not in page or text == "{{7*7}}"
    for sign in "<>\"'":
        assert page.count(sign) == harmless.count(sign)
    assert "49" not in page


def test_a_table_has_headings_for_columns_and_rows(own_template: Path) -> None:
    page = own_page("genre")
    assert '<th scope="col">genre</th>' in page
    assert '<th scope="col" class="number">n</th>' in page
    assert page.count('<th scope="row">') == 2
    assert page.count('<tr class="sum">') == 1
    assert "--share: 0.5" in page


def test_a_page_that_lacks_something_is_not_made() -> None:
    with pytest.raises(UndefinedError):
        render("run.html.j2", name="multiframe")
    with pytest.raises(TemplateNotFound):
        render("none.html.j2")


def test_a_picture_is_put_into_its_address(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bytes(range(256)))
    picture = read_picture(tmp_path / "a.png", "caption", "text")
    head, content = picture.source.split(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(content) == bytes(range(256))
    assert not picture.dark


def test_a_drawing_is_taken_for_a_picture_by_day_and_by_night(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "a.svg").write_text(f'<svg width="72pt" height="36pt"><path style="fill: {INK}"/>{INK}</svg>')
    picture = read_picture(tmp_path / "a.png", "caption", "text")
    assert (picture.width, picture.height) == (96, 48)
    day, night = (base64.b64decode(uri.split(",")[1]).decode() for uri in (picture.source, picture.dark))
    assert day == (tmp_path / "a.svg").read_text()
    assert night == f'<svg width="72pt" height="36pt"><path style="fill: {NIGHT[INK]}"/>{INK}</svg>'
