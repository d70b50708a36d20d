"""What is left of a chart without kernel and script: the same lines, legible, and nothing that could run."""

import re
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from kiwoom_nb.line_svg import DrawnLine, line_svg

MORNING = 1_763_596_800_000_000  # 2025-11-20 09:00 KST
HOUR = 3_600_000_000


def read(svg):
    return fromstring(svg)  # noqa: S314 - of our own making


def line(values, name="a", *, apart=HOUR, **more):
    return DrawnLine(name, MORNING + apart * np.arange(len(values)), np.array(values, float), **more)


def texts(svg):
    return ["".join(element.itertext()) for element in read(svg).iter() if element.tag.endswith("text")]


def paths(svg):
    return [element.attrib for element in read(svg).iter() if element.tag.endswith("path")]


def test_a_line_is_a_step_with_its_title_values_and_times():
    """Won on the left, Korean times below; it is as wide as the page."""
    svg = line_svg("실현손익 <b>▲ +₩300</b>", [line([0, 100, 300])])
    said = texts(svg)
    assert said[0] == "실현손익 ▲ +₩300"
    assert "₩0" in said
    assert "₩300" in said
    assert [text for text in said if re.fullmatch(r"\d\d:\d\d", text)] == ["09:00", "09:40", "10:20", "11:00"]
    (path,) = paths(svg)
    assert re.fullmatch(r"M84,\d+(\.\d)? H\S+V\S+H468V\S+", path["d"])


def test_days_are_set_apart_and_ground_reaches_to_zero():
    """No line joins the night."""
    svg = line_svg("", [line([1, 2, 3, -4], apart=12 * HOUR, fill="#abc", width=0)])
    drawn = paths(svg)
    assert len(drawn) == 2
    assert all(path["d"].endswith("Z") and path["fill"] == "#abc" for path in drawn)


def test_several_lines_are_named_below():
    """In rows that fit; those without a line of their own are not."""
    names = ["삼성전자", "SK하이닉스", "두산에너빌리티", "한화에어로스페이스", "NAVER", "카카오"]
    svg = line_svg("t", [line([1, 2], name) for name in names] + [line([1, 2], "ground", width=0)])
    said = texts(svg)
    assert [text for text in said if text in names] == names
    assert "ground" not in said
    assert max(float(y) for y in re.findall(r'<text x="[^"]*" y="([^"]*)"', svg)) < float(
        svg.split('viewBox="0 0 480 ')[1].split('"')[0]
    )


def test_gaps_are_shaded():
    """Where they were."""
    svg = line_svg("t", [line([1, 2, 3])], [("2025-11-20 09:30", "2025-11-20 10:00")])
    (shade,) = [element.attrib for element in read(svg).iter() if element.tag.endswith("rect")]
    assert float(shade["x"]) == pytest.approx(84 + 384 / 4, abs=0.2)
    assert float(shade["width"]) == pytest.approx(384 / 4, abs=0.2)


@pytest.mark.parametrize("values", [[], [0], [7], [0, 0], [-3, -2], [10**14, 1], [0.25, 0.5]])
def test_any_line_gives_a_picture(values):
    """Also one of nothing."""
    svg = line_svg("t", [line(values)])
    assert "nan" not in svg.lower()
    assert read(svg).tag.endswith("svg")


def test_nothing_of_a_name_can_run():
    """Names of symbols come from outside."""
    svg = line_svg("<script>alert(1)</script>", [line([1, 2], '<img onerror="x">', color='"><script>'), line([1])])
    assert "<script" not in svg
    assert "<img" not in svg
    read(svg)


def test_a_long_line_is_a_short_picture():
    """As many points as it is wide."""
    assert len(line_svg("t", [line(np.random.default_rng(1).integers(0, 999, 100_000), apart=1000)])) < 12_000
