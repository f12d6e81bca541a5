"""GeoJSON: RFC 7946."""

import json

import pytest
from shapely.geometry import shape

from tests.warning.test_cap import example
from wxcore.warning.geojson import geojson_bytes, to_geojson


def test_a_collection_of_the_warnings():
    warning = example()
    collection = json.loads(geojson_bytes([warning]))
    assert collection["type"] == "FeatureCollection"
    (feature,) = collection["features"]
    assert feature["id"] == warning.id
    geometry = shape(feature["geometry"])
    assert geometry.is_valid
    assert geometry.bounds[0] == pytest.approx(min(lon for ring in warning.polygons for lon, _ in ring))
    assert all(polygon.exterior.is_ccw for polygon in geometry.geoms)
    assert feature["properties"]["districts"][0]["adcode"] == "500101"
    assert feature["properties"]["status"] == "Test"


def test_none_is_an_empty_collection():
    assert to_geojson([]) == {"type": "FeatureCollection", "features": []}
