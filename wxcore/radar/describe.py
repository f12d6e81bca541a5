"""What a radar volume is, in the words of `wx doctor` and the ledger."""

from wxcore.radar.volume import Volume
from wxcore.schema import Description


def describe_volume(volume: Volume) -> Description:
    """Describe a volume of any format. Moments are named in the order in which they first appear."""
    moments = dict.fromkeys(name for sweep in volume.sweeps for name in sweep.moments)
    return Description(
        kind="volume",
        site=volume.site.id,
        time=volume.start,
        sweeps=len(volume.sweeps),
        moments=tuple(moments),
        remarks=volume.remarks,
        scan=volume.task,
    )
