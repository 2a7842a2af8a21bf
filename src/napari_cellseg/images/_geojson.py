"""GeoJSON as QuPath writes and reads it: features with polygons, a plane, a class."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._types import Labels
from ._json import whole
from ._outlines import Outline
from ._polygons import Ring, outlines_of

_AREAS = ("Polygon", "MultiPolygon")
_REGIONS = ("annotation", "tma_core", "PathAnnotationObject", "TMACoreObject")
"""QuPath's objects that may be a region in which others lie; the last two are how older versions say it."""


def is_geojson(data: Any) -> bool:
    """Whether the content of a JSON file is GeoJSON, whatever the file's name says."""
    if isinstance(data, list):
        return any(isinstance(item, dict) and "geometry" in item for item in data)
    return isinstance(data, dict) and (data.get("type") in _AREAS or bool({"features", "geometry"} & set(data)))


def read_geojson(data: Any) -> Iterator[Outline]:
    """The areas of a file's content; points and lines are no masks."""
    features = data.get("features", [data]) if isinstance(data, dict) else data
    for number, feature in enumerate(features, start=1):
        properties = feature.get("properties") or {}
        geometry = feature.get("geometry") or (feature if feature.get("type") in _AREAS else {})
        if geometry.get("type") not in _AREAS:
            continue
        polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
        plane = geometry.get("plane") or {}
        frame, z = whole(plane.get("t")) or 0, whole(plane.get("z")) or 0
        label = properties.get("label", "")
        id = whole(label)
        kind = _class_of(properties.get("classification")) or ("" if id is not None else str(label))
        region = (properties.get("objectType") or feature.get("id")) in _REGIONS
        for polygon in polygons:
            rings = [ring for ring in (_open(ring) for ring in polygon) if len(ring) >= 3]
            yield Outline(f"feature {number}" if id is None else id, kind, rings, frame, z, region)


def write_geojson(path: Path, labels: Labels, classes: Sequence[str], kinds: Mapping[int, str]) -> None:
    """One feature for each object in each slice; classes go with them, of labels or of objects."""
    pieces: dict[tuple[int, int], list[list[Ring]]] = {}
    for id, z, _, rings in outlines_of(labels):
        pieces.setdefault((id, z), []).append(rings)
    features = []
    for (id, z), polygons in pieces.items():
        coordinates = [[_closed(ring) for ring in rings] for rings in polygons]
        geometry: dict[str, Any] = {"type": "MultiPolygon", "coordinates": coordinates}
        if len(polygons) == 1:
            geometry = {"type": "Polygon", "coordinates": coordinates[0]}
        if labels.ndim == 3:
            geometry["plane"] = {"c": -1, "z": z, "t": 0}
        properties: dict[str, Any] = {"objectType": "detection", "label": id, "name": f"object {id}"}
        kind = classes[id - 1] if classes else kinds.get(id, "")
        if kind:
            properties["classification"] = {"name": kind}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")


def _class_of(classification: Any) -> str:
    """The name of a class; newer versions of QuPath list the parts of a derived one."""
    if not isinstance(classification, dict):
        return str(classification or "")
    names = classification.get("names")
    return ": ".join(map(str, names)) if names else str(classification.get("name") or "")


def _open(ring: Any) -> Ring:
    """Corners (y, x), without the last where it is the first again."""
    corners = np.asarray(ring, float)[:, 1::-1]
    return corners[:-1] if len(corners) > 1 and (corners[0] == corners[-1]).all() else corners


def _closed(ring: Ring) -> list[list[float]]:
    return [[float(x), float(y)] for y, x in [*ring.tolist(), ring[0].tolist()]]
