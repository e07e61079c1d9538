"""Licences, organisms and imaging methods by the names that people write, exactly as their registries have them.

Sources: the SPDX licence list, the NCBI taxonomy, the Biological Imaging Methods Ontology FBbi, the suffixes of BIDS
microscopy (BIDS 1.11). A name stands here only if it means the term, not something near it.
"""

from __future__ import annotations

from collections.abc import Mapping

_CC = "https://creativecommons.org"
_CREATIVE = {
    f"CC-{kind.upper()}-{version}": f"{_CC}/licenses/{kind}/{version}/"
    for kind in ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")
    for version in ("1.0", "2.0", "2.5", "3.0", "4.0")
} | {"CC0-1.0": f"{_CC}/publicdomain/zero/1.0/", "CC-PDM-1.0": f"{_CC}/publicdomain/mark/1.0/"}
# The order of the parts was another one in version 1.0.
_CREATIVE["CC-BY-NC-ND-1.0"] = f"{_CC}/licenses/by-nd-nc/1.0/"
_OTHER = (
    "0BSD", "AFL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "Artistic-2.0", "BSD-2-Clause",
    "BSD-3-Clause", "BSL-1.0", "C-UDA-1.0", "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0",
    "CECILL-2.1", "CECILL-B", "CECILL-C", "DL-DE-BY-2.0", "DL-DE-ZERO-2.0", "ECL-2.0", "EPL-2.0", "EUPL-1.2",
    "GFDL-1.3-only", "GFDL-1.3-or-later", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only", "GPL-3.0-or-later",
    "ISC", "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "LiLiQ-P-1.1", "MIT",
    "MIT-0", "MPL-2.0", "MS-PL", "NCSA", "NIST-PD", "ODbL-1.0", "ODC-By-1.0", "OFL-1.1", "OGL-Canada-2.0",
    "OGL-UK-3.0", "OSL-3.0", "PDDL-1.0", "Python-2.0", "UPL-1.0", "Unlicense", "W3C", "WTFPL", "Zlib", "etalab-2.0",
)  # fmt: skip
_ALIASES = {"CC0": "CC0-1.0", "PDDL": "PDDL-1.0", "ODbL": "ODbL-1.0", "ODC-By": "ODC-By-1.0"}

LICENSES: Mapping[str, str] = _CREATIVE | {name: f"https://spdx.org/licenses/{name}.html" for name in _OTHER}
"""Address by SPDX id: the licence's own page where it is one of Creative Commons, else that of SPDX."""
_LICENSE_IDS = {name.lower(): name for name in LICENSES} | {a.lower(): name for a, name in _ALIASES.items()}
_LICENSE_NAMES = {address: name for name, address in LICENSES.items()}


def license_address(text: str) -> str | None:
    """The address of the licence with this SPDX id; spaces may stand for hyphens. None: there is no such id here."""
    name = _LICENSE_IDS.get("-".join(text.replace("-", " ").split()).lower())
    return None if name is None else LICENSES[name]


def license_name(address: str) -> str:
    """The SPDX id of a licence by its address; the address itself where it is another one."""
    return _LICENSE_NAMES.get(address, address)


_TAXA = {
    "Arabidopsis thaliana": 3702,
    "Bos taurus": 9913,
    "Caenorhabditis elegans": 6239,
    "Callithrix jacchus": 9483,
    "Canis lupus familiaris": 9615,
    "Cavia porcellus": 10141,
    "Chlamydomonas reinhardtii": 3055,
    "Cricetulus griseus": 10029,
    "Danio rerio": 7955,
    "Dictyostelium discoideum": 44689,
    "Drosophila melanogaster": 7227,
    "Escherichia coli": 562,
    "Felis catus": 9685,
    "Gallus gallus": 9031,
    "Homo sapiens": 9606,
    "Hydra vulgaris": 6087,
    "Macaca fascicularis": 9541,
    "Macaca mulatta": 9544,
    "Mesocricetus auratus": 10036,
    "Mus musculus": 10090,
    "Mustela putorius furo": 9669,
    "Nematostella vectensis": 45351,
    "Nicotiana tabacum": 4097,
    "Oryctolagus cuniculus": 9986,
    "Oryzias latipes": 8090,
    "Ovis aries": 9940,
    "Plasmodium falciparum": 5833,
    "Platynereis dumerilii": 6359,
    "Rattus norvegicus": 10116,
    "Saccharomyces cerevisiae": 4932,
    "Schizosaccharomyces pombe": 4896,
    "Sus scrofa": 9823,
    "Toxoplasma gondii": 5811,
    "Tribolium castaneum": 7070,
    "Xenopus laevis": 8355,
    "Xenopus tropicalis": 8364,
    "Zea mays": 4577,
}
_SHORT = {
    "A. thaliana": "Arabidopsis thaliana",
    "C. elegans": "Caenorhabditis elegans",
    "D. melanogaster": "Drosophila melanogaster",
    "D. rerio": "Danio rerio",
    "E. coli": "Escherichia coli",
    "S. cerevisiae": "Saccharomyces cerevisiae",
    "S. pombe": "Schizosaccharomyces pombe",
}
ORGANISMS: Mapping[str, str] = {name: f"NCBI:txid{number}" for name, number in _TAXA.items()}
"""NCBI taxon by Latin name, as the NGFF challenge writes it."""
_LATIN = {name.lower(): name for name in ORGANISMS} | {short.lower(): name for short, name in _SHORT.items()}
_ORGANISM_NAMES = {taxon: name for name, taxon in ORGANISMS.items()}


def taxon(text: str) -> str | None:
    """The taxon with this Latin name, whatever its case; None: not among those known here."""
    name = _LATIN.get(" ".join(text.split()).lower())
    return None if name is None else ORGANISMS[name]


def taxon_name(identifier: str) -> str:
    """The Latin name of a taxon; the id itself where it is not known here."""
    return _ORGANISM_NAMES.get(identifier, identifier)


METHODS: Mapping[int, str] = {
    241: "microscopy",
    243: "bright-field microscopy",
    244: "dark-field microscopy",
    245: "differential interference contrast microscopy",
    246: "fluorescence microscopy",
    247: "phase contrast microscopy",
    248: "polarization microscopy",
    249: "time lapse microscopy",
    251: "confocal microscopy",
    252: "single-spot confocal microscopy",
    253: "spinning disk confocal microscopy",
    254: "two-photon laser scanning microscopy",
    255: "multi-photon microscopy",
    256: "electron microscopy",
    257: "scanning electron microscopy (SEM)",
    258: "transmission electron microscopy (TEM)",
    259: "atomic force microscopy",
    260: "X-ray microscopy",
    332: "structured illumination microscopy (SIM)",
    334: "stimulated emission depletion (STED)",
    335: "PALM (photoactivation localization microscopy)",
    336: "STORM (stochastic optical reconstruction microscopy)",
    344: "scanning probe microscopy",
    345: "light microscopy",
    367: "FRET",
    368: "FLIM",
    369: "SPIM",
    370: "CARS",
    371: "OCT",
    380: "scanning-transmission electron microscopy",
    585: "serial block face SEM (SBFSEM)",
    603: "fluorescence polarization microscopy",
    1002: "X-ray computed tomography",
    1003: "X-ray tomography",
}
"""Labels of FBbi by number."""
_METHOD_NAMES = {
    "STEM": 380, "SEM": 257, "TEM": 258, "uCT": 1002, "BF": 243, "DF": 244, "PC": 247, "DIC": 245, "FLUO": 246,
    "CONF": 251, "PLI": 248, "2PE": 254, "MPE": 255, "STED": 334, "PALM": 335, "STORM": 336, "SIM": 332, "SBFSEM": 585,
    "AFM": 259, "scanning electron microscopy": 257, "transmission electron microscopy": 258,
    "structured illumination microscopy": 332, "serial block face SEM": 585, "light-sheet microscopy": 369,
    "light sheet microscopy": 369, "selective plane illumination microscopy": 369, "two-photon microscopy": 254,
    "multiphoton microscopy": 255, "brightfield microscopy": 243, "darkfield microscopy": 244,
    "optical coherence tomography": 371, "coherent anti-Stokes Raman scattering": 370,
    "fluorescence lifetime imaging": 368,
}  # fmt: skip
_METHODS = {name.lower(): number for number, name in METHODS.items()}
_METHODS |= {name.lower(): number for name, number in _METHOD_NAMES.items()}
SUFFIXES: Mapping[str, str] = {
    name: f"obo:FBbi_{_METHODS[name.lower()]:08d}"
    for name in (
        "TEM",
        "SEM",
        "uCT",
        "BF",
        "DF",
        "PC",
        "DIC",
        "FLUO",
        "CONF",
        "PLI",
        "CARS",
        "2PE",
        "MPE",
        "OCT",
        "SPIM",
    )
}
"""Imaging method by suffix of BIDS microscopy; those that no term of FBbi means exactly are not here."""


def method(text: str) -> str | None:
    """The term of FBbi with this label, short name or BIDS suffix; None: not among those known here."""
    number = _METHODS.get(" ".join(text.split()).lower())
    return None if number is None else f"obo:FBbi_{number:08d}"


def method_name(identifier: str) -> str:
    """The label of a term of FBbi; the id itself where it is not known here."""
    return METHODS.get(int(identifier[-8:]), identifier) if identifier.startswith("obo:FBbi_") else identifier
