"""Tables beside files: what is in them is what they show, and what is wrong with them is told with row and column."""

import builtins
import csv
import datetime as dt
import io
import os
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
        ("a.csv", "ID;Sex;Born\rm1;F;2026-01-05\rm2;NO;0123\r"),
        ("a.csv", "sep=;\r\nID;Sex;Born\r\nm1;F;2026-01-05\r\nm2;NO;0123\r\n"),
        ("a.csv", "ID\tSex\tBorn\nm1\tF\t2026-01-05\nm2\tNO\t0123\n"),
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
        (
            "a.csv",
            b"ID,Sex\nm\xe4,F\n",
            "{}:2: is not UTF-8 text (byte 0xe4); save it as UTF-8, which Excel calls CSV UTF-8",
        ),
        (
            "a.csv",
            "ID".encode("utf-16"),
            "{}: is not UTF-8 but UTF-16, or no text at all; save it as UTF-8, which Excel calls CSV UTF-8",
        ),
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


@pytest.mark.parametrize(
    ("text", "columns", "row"),
    [
        ('Tier;"Alter (Wochen, ca.)"\nm1;2,5\n', ("Tier", "Alter (Wochen, ca.)"), ("m1", "2,5")),
        ("Tier;Alter, Wochen\nm1;2\n", ("Tier", "Alter, Wochen"), ("m1", "2")),
        ("ID,Stain;Counterstain\nm1,HE\n", ("ID", "Stain;Counterstain"), ("m1", "HE")),
    ],
)
def test_what_parts_values_is_told_from_names_and_first_row(tmp_path, text, columns, row):
    table = read_table(written(tmp_path, text))
    assert (table.columns, table.rows) == (columns, (row,))


def test_a_title_above_the_names_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r":3: has 3 values; the first row names 1 columns; remove the title above"):
        read_table(written(tmp_path, "Experiment 7,,,\n,,,\nID,Sex,Age,\nm1,F,2,\n"))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(ConfigError, match=r"a\.csv: is no file; name a table"):
        read_table(tmp_path / "a.csv")


def test_tables_of_many_columns_are_quick(tmp_path):
    width = 100_000
    path = written(tmp_path, ",".join(f"c{i}" for i in range(width)) + "\n" + ",".join("1" * width) + "\n")
    assert len(read_table(path).columns) == width


def test_excel_shows_zeros_and_fifteen_digits(tmp_path):
    book = openpyxl.Workbook()
    for row in (["ID", "Weight"], [7, 0.1 + 0.2], [1234567, 1e22]):
        book.active.append(row)
    book.active["A2"].number_format = book.active["A3"].number_format = "0000"
    book.save(tmp_path / "a.xlsx")
    assert read_table(tmp_path / "a.xlsx").rows == (("0007", "0.3"), ("1234567", "1e+22"))


def changed(tmp_path, part, change):
    """An Excel file with another part."""
    path = sheet(tmp_path, ["ID"], [7])
    with zipfile.ZipFile(path) as was, zipfile.ZipFile(tmp_path / "b.xlsx", "w", zipfile.ZIP_DEFLATED) as made:
        for name in was.namelist():
            made.writestr(name, change(was.read(name)) if name.endswith(part) else was.read(name))
    return tmp_path / "b.xlsx"


FAR = b"".join(b'<row r="%d"><c r="ZZZ%d"><v>1</v></c></row>' % (n, n) for n in range(3, 2000))


@pytest.mark.parametrize(
    "more",
    [b'<row r="999999999"><c r="A999999999"><v>1</v></c></row>', FAR, b" " * (1 << 21)],
    ids=["row", "columns", "bytes"],
)
def test_small_files_that_unpack_to_anything_are_refused(tmp_path, monkeypatch, more):
    monkeypatch.setattr("s3facade.config.sheets.LONGEST", 1 << 20)
    monkeypatch.setattr("s3facade.config.sheets.MOST", 1_000_000)
    path = changed(tmp_path, "sheet1.xml", lambda data: data.replace(b"</sheetData>", more + b"</sheetData>"))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ConfigError, match="is too large for a table that describes files"):
        read_table(path)


def test_many_rows_without_values_take_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("s3facade.config.tables.MOST", 100)
    assert read_table(written(tmp_path, "ID\n" + "\n" * 1000 + "7\n")).lines == (1002,)
    with pytest.raises(ConfigError, match="or 100 values"):
        read_table(written(tmp_path, "ID\n" + "7\n" * 100))


@pytest.mark.parametrize("part", ["workbook.xml", "styles.xml", "sheet1.xml"])
def test_damage_in_any_part_of_an_excel_file_is_told(tmp_path, part):
    with pytest.raises(ConfigError, match="is not an Excel file that can be read"):
        read_table(changed(tmp_path, part, lambda data: data[: len(data) // 2] + b"<&"))


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
