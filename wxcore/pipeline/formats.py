"""The union of what the source rooms can read: what landing identifies files against."""

from wxcore.environment import files as environment
from wxcore.lightning import adtd, glm, lmi
from wxcore.radar import cinrad, foreign, legacy, moc, phased, standard_product, swan, xradar_door
from wxcore.satellite import agri, awx, ghi, mersi, vissr
from wxcore.schema import Format
from wxcore.station import files as station

SKY_HDF5: tuple[Format, ...] = (agri.FORMAT, ghi.FORMAT, *mersi.FORMATS, vissr.FORMAT, lmi.FORMAT, glm.FORMAT)
"""Kinds of HDF5 file, told apart by their structure (hdf5_door.py); no two claim the same file."""

FORMATS: tuple[Format, ...] = (
    cinrad.FORMAT,
    phased.FORMAT,
    *legacy.FORMATS,
    moc.FORMAT,
    swan.FORMAT,
    standard_product.FORMAT,
    *xradar_door.FORMATS,
    awx.FORMAT,
    adtd.FORMAT,
    *environment.FORMATS,
    *station.FORMATS,
    *foreign.FORMATS,
)
"""Told by their first bytes; asked in this order, the first that recognises them reads the file."""
