"""The union of what the source rooms can read: what landing identifies files against."""

from wxcore.radar import cinrad, foreign, legacy, moc, phased, standard_product, swan, xradar_door
from wxcore.schema import Format

FORMATS: tuple[Format, ...] = (
    cinrad.FORMAT,
    phased.FORMAT,
    *legacy.FORMATS,
    moc.FORMAT,
    swan.FORMAT,
    standard_product.FORMAT,
    *xradar_door.FORMATS,
    *foreign.FORMATS,
)
"""Asked in this order; the first that recognises the bytes reads the file."""
