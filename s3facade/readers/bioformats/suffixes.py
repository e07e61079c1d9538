"""Names of files that Bio-Formats reads and no other reader here."""

SUFFIXES = frozenset(
    {
        ".1sc",  # Bio-Rad gel
        ".2fl",  # TillVision
        ".afi",  # Aperio fluorescence
        ".aim",  # AIM
        ".al3d",  # Alicona
        ".am", ".amiramesh",  # Amira
        ".apl", ".mtb", ".tnb", ".obsep",  # Olympus APL
        ".arf",  # ARF
        ".c01",  # Cellomics
        ".cif",  # ImageStream
        ".cxd",  # SimplePCI
        ".dm2",  # Gatan DM2
        ".fdf",  # Varian
        ".fff",  # Hasselblad
        ".ffr",  # iGeo
        ".flex",  # PerkinElmer Flex
        ".fli",  # Lambert Instruments
        ".frm",  # InCell
        ".grey",  # Amira
        ".hx",  # Amira
        ".his",  # Hamamatsu HIS
        ".i2i",  # I2I
        ".ics", ".ids",  # Image Cytometry Standard
        ".inr",  # Inria
        ".ipl",  # IPLab
        ".ipw",  # Image-Pro workspace
        ".jpk",  # JPK
        ".klb",  # Keller lab block
        ".l2d",  # Li-Cor
        ".lei",  # Leica TIFF series
        ".lim",  # Laboratory Imaging
        ".liff",  # Openlab
        ".lms",  # Zeiss LMS
        ".mea", ".res",  # Opera Columbus
        ".mng",  # MNG
        ".mrw",  # Minolta
        ".msr", ".obf",  # Imspector
        ".mvd2", ".acff",  # Volocity
        ".naf",  # Aquacosmos
        ".oir", ".poir",  # Olympus FluoView
        ".omp2info",  # Olympus
        ".pcoraw",  # PCO
        ".pcx",  # PCX
        ".pic",  # Bio-Rad confocal
        ".pict",  # PICT
        ".pnl",  # Cellomics plates
        ".pr3",  # TopoMetrix
        ".sdt", ".spc",  # Becker & Hickl
        ".seq",  # Image-Pro sequences
        ".sif",  # Andor
        ".sld", ".sldy", ".spl",  # SlideBook
        ".sm2", ".sm3",  # Seiko, JEOL
        ".spe",  # Princeton Instruments
        ".spi",  # SPIDER
        ".stp",  # Molecular Imaging
        ".sxm",  # Nanoscope
        ".tfr", ".zfp", ".zfr",  # TopoMetrix
        ".vff",  # VFF
        ".vsi",  # CellSens, with a folder of .ets files
        ".wat",  # WA-TOP
        ".xdce",  # InCell
        ".xqd", ".xqf",  # Li-Cor, UBM
        ".xv",  # Khoros
        ".zvi",  # Zeiss AxioVision
    }
)  # fmt: skip
"""Lower case, with the dot."""
CLAIMED = frozenset(
    {".cxd", ".ipw", ".liff", ".msr", ".mvd2", ".obf", ".oir", ".omp2info", ".poir", ".sdt", ".sld", ".sldy"}
    | {".vsi", ".xdce", ".zvi"}
)
"""Those that nothing else is called: such a file is named, with what has to be installed, where it cannot be read."""
