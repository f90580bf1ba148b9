from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from durometer.report.exports import figures, standalone, write_exports

SVG = "{http://www.w3.org/2000/svg}"


def test_every_figure_is_written_as_svg_and_pdf_and_every_table_as_csv_and_latex(
    results: dict[str, Any], tmp_path: Path
) -> None:
    written = write_exports(results, tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in written}
    for stem in ("frontier-size-clone-encoder-3m", "budget-mhm", "ranks-asr"):
        assert f"figures/{stem}.svg" in names
        assert (tmp_path / f"figures/{stem}.pdf").read_bytes().startswith(b"%PDF-")
    for stem in ("variants", "grid", "seeds", "comparisons", "ranks", "validity"):
        assert {f"tables/{stem}.csv", f"tables/{stem}.tex"} <= names


@pytest.mark.parametrize("kind", ["frontier", "budget", "ranks"])
def test_a_figure_stands_alone(results: dict[str, Any], kind: str) -> None:
    picture = next(picture for name, picture in figures(results) if name.startswith(kind))
    root = ElementTree.fromstring(standalone(picture))
    assert root.tag == f"{SVG}svg"
    assert float(root.attrib["width"]) > 0
    style = root.findtext(f"{SVG}style") or ""
    assert "var(" not in style
    used = {name for node in root.iter() for name in node.attrib.get("class", "").split()}
    unstyled = {name for name in used if f".{name}" not in style}
    assert unstyled == set()
