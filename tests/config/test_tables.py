"""Tables beside files: what is in them is what they show, and what is wrong with them is told with row and column."""

import builtins
import csv
import datetime as dt
import io
import zipfile

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3facade.config.joins import JoinConfig, joined
from s3facade.config.tables import read_table
from s3facade.core.errors import ConfigError

NOON, NIGHT = dt.datetime.fromisoformat("2026-01-05T13:30"), dt.datetime.fromisoformat("2026-01-06")


def written(tmp_path, data, name="animals.csv"):
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def sheet(tmp_path, *rows, name="animals.xlsx", **others):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for title, other in others.items():
        made = book.create_sheet(title)
        for row in other:
            made.append(row)
    book.save(tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "ID,Sex,Born\nm1,F,2026-01-05\nm2,NO,0123\n"),
        ("a.csv", "\ufeffID,Sex,Born\r\nm1,F,2026-01-05\r\nm2,NO,0123\r\n"),
        ("a.csv", "ID;Sex;Born\nm1;F;2026-01-05\nm2;NO;0123"),
        ("a.csv", '"ID", Sex ,Born,,\n\nm1,"F",2026-01-05,,\n,,,,\nm2,NO, 0123 ,,\n'),
        ("a.TSV", "ID\tSex\tBorn\nm1\tF\t2026-01-05\nm2\tNO\t0123\n"),
        ("a.tab", "ID\tSex\tBorn\nm1\tF\t2026-01-05\nm2\tNO\t0123\n"),
    ],
)
def test_values_stay_what_they_were(tmp_path, name, text):
    table = read_table(written(tmp_path, text, name))
    assert table.columns == ("ID", "Sex", "Born")
    assert table.rows == (("m1", "F", "2026-01-05"), ("m2", "NO", "0123"))
    assert len(table.lines) == 2
    assert table.where(0) == f"{name}: row {table.lines[0]}"


def test_rows_are_counted_as_lines_of_the_file(tmp_path):
    table = read_table(written(tmp_path, 'ID,Notes\na,"two\nlines"\n\nb,x\n'))
    assert table.rows == (("a", "two\nlines"), ("b", "x"))
    assert table.lines == (2, 5)


def test_excel(tmp_path):
    path = sheet(
        tmp_path,
        ["ID", "Weight", "Born", "At", "Seen", "Ok", None],
        [7, 21.5, dt.date(2026, 1, 5), NOON, dt.time(9, 5), True, None],
        [None] * 7,
        [8.0, 1e-3, NIGHT, None, "NO", False, None],
    )
    table = read_table(path)
    assert table.columns == ("ID", "Weight", "Born", "At", "Seen", "Ok")
    assert table.rows == (
        ("7", "21.5", "2026-01-05", "2026-01-05T13:30:00", "09:05:00", "TRUE"),
        ("8", "0.001", "2026-01-06", "", "NO", "FALSE"),
    )
    assert table.lines == (2, 4)


def test_a_sheet_of_excel_is_chosen_by_name(tmp_path):
    path = sheet(tmp_path, ["a"], ["1"], Mice=[["b"], ["2"]])
    assert read_table(path).columns == ("a",)
    assert read_table(path, "Mice").rows == (("2",),)
    with pytest.raises(ConfigError, match="there is not a sheet 'Rats'; known: Sheet, Mice"):
        read_table(path, "Rats")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv", "", "{}: is empty; its first row names the columns"),
        ("a.csv", "ID,,Sex\nm,x,F\n", "{}:1: column 2 has no name; every column needs one"),
        ("a.csv", "ID,Sex,ID\nm,F,n\n", "{}:1: columns 1 and 3 are both called 'ID'; rename one"),
        ("a.csv", "ID,{x}\nm,F\n", "{}:1: column 2 has braces in its name '{{x}}'; rename it"),
        ("a.csv", "ID,Sex\nm,F\nn,M,x\n", "{}:3: has 3 values; the first row names 2 columns"),
        ("a.csv", "ID,Sex\nm\n", "{}:2: has 1 values for 2 columns"),
        ("a.csv", b"ID,Sex\nm\xe4,F\n", "{}:2: is not UTF-8 text (byte 0xe4); save it as UTF-8"),
        ("a.csv", "ID".encode("utf-16"), "{}: is not UTF-8 but UTF-16, or no text at all; save it as UTF-8"),
        ("a.csv", 'ID,Sex\n"m,F\n', "{}:2: is not a row of a table: unexpected end of data"),
        ("a.ods", "x", "{}: is no table that can be read; save it as .csv, .tsv, .tab, .xlsx"),
        ("a.xlsx", "no", "{}: is not an Excel file that can be read: File is not a zip file"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(tmp_path, name, data, said):
    path = written(tmp_path, data, name)
    with pytest.raises(ConfigError) as caught:
        read_table(path)
    assert str(caught.value) == said.format(path)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.csv: the table cannot be read: No such file or directory"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="has no sheets; remove `sheet`"):
        read_table(written(tmp_path, "a\n1\n"), "Mice")


def test_a_formula_that_was_never_computed_is_no_empty_value(tmp_path):
    path = sheet(tmp_path, ["a", "b"], ["x", "=1+1"])
    with pytest.raises(ConfigError, match=r":2: column 2 is a formula without a value; open and save"):
        read_table(path)


def test_a_damaged_sheet_is_told(tmp_path):
    path = sheet(tmp_path, ["a"], ["1"])
    out = io.BytesIO()
    with zipfile.ZipFile(path) as was, zipfile.ZipFile(out, "w") as made:
        for name in was.namelist():
            made.writestr(name, b"<" if "sheet1" in name else was.read(name))
    with pytest.raises(ConfigError, match="is not an Excel file that can be read"):
        read_table(written(tmp_path, out.getvalue(), "b.xlsx"))


def test_excel_needs_openpyxl(tmp_path, monkeypatch):
    path = sheet(tmp_path, ["a"], ["1"])
    real = builtins.__import__

    def refused(name, *rest, **more):
        if name.startswith("openpyxl"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refused)
    with pytest.raises(ConfigError, match=r"pip install 's3facade\[tables\]', or save it as \.csv"):
        read_table(path)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=6).map(
    str.strip
)


@given(rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=5), delimiter=st.sampled_from(",\t"))
def test_what_python_writes_is_what_is_read(rows, delimiter, tmp_path_factory):
    """Oracle: csv.writer, and its reader's idea of rows."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b", "c"])
    writer.writerows(rows)
    path = tmp_path_factory.mktemp("t") / ("t.csv" if delimiter == "," else "t.tsv")
    path.write_bytes(out.getvalue().encode())
    assert list(map(list, read_table(path).rows)) == [row for row in rows if any(row)]


def test_rows_are_found_by_text_or_by_number(tmp_path):
    path = written(tmp_path, "ID,Sec,Sex\nm07,1,F\n7,01,M\n8,2.0,M\n")
    by = {"animal": "ID", "section": "Sec"}
    table = joined(JoinConfig(path, by, columns=("Sex",)), read_table(path))
    assert table.find({"animal": "m07", "section": 1}) == 0
    assert table.find({"animal": 7, "section": 1}) == 1
    assert table.find({"animal": "007", "section": "1"}) == 1
    assert table.find({"animal": 8, "section": 2}) == 2
    assert table.find({"animal": "M_07", "section": 1}) == -1
    assert table.lacking({"animal": "M_07", "section": 1}) == (
        "no row of animals.csv has 'ID' = 'M_07' and 'Sec' = '1'; is it that of row 2? "
        "Write them alike, or use `values`"
    )
    assert list(table.unused({0, 2})) == [("animals.csv: row 3", "ID = '7', Sec = '01'")]
    assert table.values[1] == {"Sex": "M"}


def test_numbers_that_may_be_two_rows_are_found_as_they_are_written(tmp_path):
    path = written(tmp_path, "ID\n07\n7\n")
    table = joined(JoinConfig(path, {"n": "ID"}), read_table(path))
    assert (table.find({"n": "07"}), table.find({"n": "7"}), table.find({"n": "007"})) == (0, 1, -1)
    assert table.lacking({"n": "007"}).startswith("several rows of animals.csv may be the one")
