"""ISA workbooks, judged by arctrl, the library of the ARC's makers."""

import io
import time
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3facade.core.errors import Unsupported
from s3facade.layouts.arc import workbook as module
from s3facade.layouts.arc.isa import (
    Assay,
    Column,
    Investigation,
    Person,
    Sheet,
    Study,
    Term,
    assay,
    investigation,
    study,
    table,
    tag,
)
from s3facade.layouts.arc.workbook import workbook

MOUSE = Term("Mus musculus", "NCBITaxon", "http://purl.obolibrary.org/obo/NCBITaxon_10090")
PEOPLE = (Person("Jane", "Doe", orcid="0000-0002-1825-0097", role="author"), Person("", "Mustermann"))
PAPERS = ({"doi": "10.1000/xyz", "title": "A paper", "authors": "Doe J"},)
TECHNOLOGY = Term("bright-field microscopy", "FBbi", "http://purl.obolibrary.org/obo/FBbi_00000243")
HISTOLOGY = Assay("histology", "", "", Term("histology"), TECHNOLOGY, "Axioscan", PEOPLE)
SCANS = Assay("mri", "Whole brains", measurement=Term("structure"))
ANIMALS = Study("animals", "Animals", people=PEOPLE, assays=(HISTOLOGY, SCANS))
PLANTS = Study("plants", assays=(SCANS,))
FACTS = Investigation(
    *("lab7", "Lab 7, stained sections", "Sections of mice", "2026-01-31", "", PEOPLE, PAPERS, (ANIMALS, PLANTS))
)
SAMPLING = table(
    "sampling",
    [
        Column("Input [Source Name]", ["sub-m12", "sub-m13"]),
        Column("Characteristic [organism]", [MOUSE, MOUSE]),
        Column("Characteristic [sex]", ["F", "=M()"]),
        Column("Output [Sample Name]", ["sub-m12_sample-s007", "sub-m13_sample-s001"]),
    ],
)
IMAGING = table(
    "imaging",
    [
        Column("Input [Sample Name]", ["sub-m12_sample-s007", "sub-m13_sample-s001"]),
        Column("Parameter [stain]", ["CV", "HE"]),
        Column("Output [Data]", ["assays/histology/dataset/a.ome.zarr", "assays/histology/dataset/b.ome.zarr"]),
    ],
)


def written(folder: Path) -> Path:
    books = {
        "isa.investigation.xlsx": investigation(FACTS, {"NCBITaxon": "http://purl.obolibrary.org/obo/ncbitaxon.owl"}),
        "studies/animals/isa.study.xlsx": study(ANIMALS, [SAMPLING]),
        "studies/plants/isa.study.xlsx": study(PLANTS, []),
        "assays/histology/isa.assay.xlsx": assay(HISTOLOGY, [IMAGING]),
        "assays/mri/isa.assay.xlsx": assay(SCANS, []),
    }
    for name, sheets in books.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(workbook(sheets))
    return folder


@pytest.fixture(scope="module")
def arc(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library that judges
        import arctrl

        return arctrl.ARC.load(str(written(tmp_path_factory.mktemp("arc"))))


def test_arctrl_reads_the_investigation(arc):
    assert (arc.Identifier, arc.Title, arc.Description) == (FACTS.identifier, FACTS.title, FACTS.description)
    assert arc.SubmissionDate == "2026-01-31"
    assert [(p.FirstName, p.LastName, p.ORCID) for p in arc.Contacts] == [
        ("Jane", "Doe", "0000-0002-1825-0097"),
        (None, "Mustermann", None),
    ]
    assert [p.DOI for p in arc.Publications] == ["10.1000/xyz"]


def test_arctrl_reads_the_study_and_its_samples(arc):
    found, other = sorted(arc.Studies, key=lambda one: one.Identifier)
    assert (found.Identifier, found.Title) == ("animals", "Animals")
    assert list(found.RegisteredAssayIdentifiers) == ["histology", "mri"]
    assert (other.Identifier, list(other.RegisteredAssayIdentifiers)) == ("plants", ["mri"])
    (sampling,) = found.Tables
    assert [str(header) for header in sampling.Headers] == [
        column for column in SAMPLING.rows[0] if "Term" not in column
    ]
    organism, sex = sampling.GetColumn(1), sampling.GetColumn(2)
    assert [cell.AsTerm.TermAccessionNumber for cell in organism.Cells] == [MOUSE.accession] * 2
    assert [str(cell) for cell in sex.Cells] == ["F", "=M()"]


def test_arctrl_reads_the_assay_and_its_data(arc):
    found, other = sorted(arc.Assays, key=lambda one: one.Identifier)
    assert found.Identifier == "histology"
    assert (other.Identifier, other.Title, other.MeasurementType.Name) == ("mri", "Whole brains", "structure")
    assert (found.MeasurementType.Name, found.TechnologyType.TermAccessionNumber) == (
        "histology",
        TECHNOLOGY.accession,
    )
    data = found.Tables[0].GetColumn(2)
    assert [cell.AsData.FilePath for cell in data.Cells] == [row[-1] for row in IMAGING.rows[1:]]


def test_bytes_follow_from_cells_alone(monkeypatch):
    first = workbook(study(ANIMALS, [SAMPLING]))
    later = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(later))
    assert workbook(study(ANIMALS, [SAMPLING])) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert workbook(study(ANIMALS, [IMAGING])) != first


def test_the_tag_tells_one_workbook_from_another():
    assert tag(study(ANIMALS, [SAMPLING])) == tag(study(ANIMALS, [SAMPLING]))
    assert tag(study(ANIMALS, [SAMPLING])) != tag(study(ANIMALS, [IMAGING]))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.text(st.characters(), max_size=20), min_size=2, max_size=2), min_size=1, max_size=5))
def test_any_text_comes_back_as_it_is_but_for_what_no_cell_can_hold(rows):
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(workbook([Sheet("x", rows)])))
    found = [[cell.value for cell in row] for row in book["x"].iter_rows()]
    for row, cells in zip(rows, found, strict=False):
        for text, cell in zip(row, cells, strict=False):
            kept = "".join(c for c in text if c >= " " or c in "\t\n")
            # XML has no carriage return of its own, no surrogates, and neither U+FFFE nor U+FFFF.
            if kept.isprintable():
                assert cell == (kept or None)
    book.close()


def test_formulas_stay_text():
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(workbook([Sheet("x", [["=1+1", "=HYPERLINK(1)"]])])))
    assert [cell.data_type for cell in book["x"][1]] == ["s", "s"]
    book.close()


def test_more_rows_than_excel_has_are_refused(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 2)
    with pytest.raises(Unsupported, match="has 3 rows; one of Excel has 2"):
        workbook([Sheet("x", [["a"]] * 3)])
