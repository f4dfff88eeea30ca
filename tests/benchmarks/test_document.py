"""The document, from results that are made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.document import write
from benchmarks.results import OURS, Results, Sample

_OURS = Sample("2030-01-01", "small", "cold", OURS, 1, 1.5, 1.0, 10**7, sent=2_000_000)
RESULTS = Results(
    machine={"CPUs": "2 x fast"},
    versions={OURS: "1", "crane & tar": "2"},
    absent={"docker": "no\nkernel"},
    workloads={
        "small": {f"{w} {k}": 10 for w in ("source", "environment") for k in ("files", "bytes")}
    },
    samples=[_OURS, replace(_OURS, peer="crane & tar", wall=3.0, sent=9_000_000)],
)


def test_the_document_says_what_was_measured_and_what_could_not_be(tmp_path: Path) -> None:
    write(RESULTS, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    assert "Measured 2030-01-01. CPUs: 2 x fast. Load average up to 0.0." in text
    assert "| crane & tar | 2 |" in text
    assert "| docker | absent: no kernel |" in text
    assert "| cold | 1.50 | 3.00 (2) |" in text


def test_pictures_lie_beside_it_and_are_labelled(tmp_path: Path) -> None:
    write(RESULTS, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    for name, label in (("wall", "3.00 s: 2.00 times ours"), ("sent", "9.0 MB: 4.50 times ours")):
        picture = f"page-small-{name}.svg"
        assert f"({picture})" in text
        root = ElementTree.parse(tmp_path / picture).getroot()
        words = ["".join(element.itertext()) for element in root.iter() if "text" in element.tag]
        assert label in words
        assert {"crane & tar", OURS, "cold"} <= set(words)


def test_the_same_results_give_the_same_document(tmp_path: Path) -> None:
    pages = []
    for name in ("one", "two"):
        write(RESULTS, tmp_path / name / "page.md")
        pages.append({path.name: path.read_text() for path in (tmp_path / name).iterdir()})
    assert pages[0] == pages[1]
