"""The official addresses of data, in one place. A checksum stands here only where the owner publishes it."""

from __future__ import annotations

from bench.api import Source

ISIC_2018 = "https://isic-challenge-data.s3.amazonaws.com/2018/"
ISIC_TERMS = (
    "CC BY-NC: not for commercial use, with attribution to Codella et al. 2019 (arXiv:1902.03368) and Tschandl et al. 2018 "
    "(doi:10.1038/sdata.2018.161); challenge.isic-archive.com/data has the terms"
)
_ISIC_ARCHIVES = (
    "ISIC2018_Task3_Training_Input",
    "ISIC2018_Task3_Training_GroundTruth",
    "ISIC2018_Task1-2_Training_Input",
    "ISIC2018_Task1_Training_GroundTruth",
)
_ISIC_TABLE = "ISIC2018_Task3_Training_LesionGroupings.csv"


def isic_2018() -> tuple[Source, ...]:
    """Both tasks of ISIC 2018, training data: four archives, each with its folder in it, and the table of lesions. No checksums."""
    archives = (Source(f"{ISIC_2018}{name}.zip", f"{name}.zip", unpack=".") for name in _ISIC_ARCHIVES)
    return (*archives, Source(f"{ISIC_2018}{_ISIC_TABLE}", _ISIC_TABLE))
