"""The formats that the environment room reads."""

from wxcore import schema
from wxcore.environment import bufr, grib, temp, tlogp, wyoming

FORMATS: tuple[schema.Format, ...] = (bufr.FORMAT, grib.FORMAT, temp.FORMAT, tlogp.FORMAT, wyoming.FORMAT)
