"""The 2016-06 schema, and two validators that are none of ours."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import ome_types
from lxml import etree

NS = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"


@cache
def _schema() -> etree.XMLSchema:
    path = Path(ome_types.__file__).with_name("ome-2016-06.xsd")
    return etree.XMLSchema(etree.parse(str(path)))


def check(text: bytes) -> etree._Element:
    """The root, if it is valid. References to images and instruments must lead somewhere, which the schema checks."""
    root = etree.fromstring(text, etree.XMLParser(resolve_entities=False, huge_tree=True))
    schema = _schema()
    assert schema.validate(root), "\n".join(map(str, schema.error_log))
    return root


def parsed(text: bytes) -> ome_types.OME:
    """By ome-types, after `check`."""
    check(text)
    return ome_types.from_xml(text.decode(), validate=False)
