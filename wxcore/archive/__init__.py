"""Archive: one Icechunk repository a region, one commit a cycle. The only room that imports zarr and icechunk."""
