"""The formats that the station room reads."""

from wxcore import schema
from wxcore.station import (
    afile,
    bufr,
    ftm,
    ftm_national,
    lists,
    metar_text,
    micaps,
    music_csv,
    music_json,
    music_xml,
    synop,
    wtm,
)

FORMATS: tuple[schema.Format, ...] = (
    music_xml.FORMAT,
    music_json.FORMAT,
    ftm.FORMAT,
    ftm_national.FORMAT,
    *micaps.FORMATS,
    afile.FORMAT,
    synop.FORMAT,
    metar_text.FORMAT,
    bufr.FORMAT,
    wtm.FORMAT,
    lists.FORMAT,
    music_csv.FORMAT,
)
"""Those without a mark of their own, which go by the look of their first rows, come last."""
