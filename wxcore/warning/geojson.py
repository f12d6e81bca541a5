"""Warnings as GeoJSON (RFC 7946): one feature a warning, coordinates lon, lat (the reverse of CAP)."""

import json
from collections.abc import Sequence
from typing import Any

from wxcore.warning.model import Warning, to_dict


def to_geojson(warnings: Sequence[Warning]) -> dict[str, Any]:
    """A FeatureCollection; exterior rings counter-clockwise, properties as `model.to_dict` without the polygons."""
    return {"type": "FeatureCollection", "features": [_feature(warning) for warning in warnings]}


def geojson_bytes(warnings: Sequence[Warning]) -> bytes:
    """`to_geojson` as UTF-8 JSON, keys in a fixed order; never NaN (RFC 8259)."""
    return json.dumps(to_geojson(warnings), ensure_ascii=False, allow_nan=False).encode()


def _feature(warning: Warning) -> dict[str, Any]:
    properties = {key: value for key, value in to_dict(warning).items() if key not in {"id", "polygons"}}
    rings = [[[list(point) for point in ring]] for ring in warning.polygons]
    geometry = {"type": "MultiPolygon", "coordinates": rings} if rings else None
    return {"type": "Feature", "id": warning.id, "geometry": geometry, "properties": properties}
