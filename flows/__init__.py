"""Prefect flows: which function, on what, how often to retry. No arithmetic, no xarray.

Prefect's telemetry is off unless the operator turned it on: these must be set before prefect is imported.
"""

import os

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
