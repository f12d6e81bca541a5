"""Every fault of this package: its row, its small and its long number."""

from tests.faults import clocks, crashes, mutants, order, sources, values
from tests.faults.harness import Fault

READERS = (
    "cinrad-standard", "cinrad-legacy", "cma-moc", "swan-grid", "cinrad-product", "nexrad-level2", "odim-h5",
)  # fmt: skip
"""The readers that decode; what is recognised only to be refused is in `mutants.every_reader`."""

FAULTS: tuple[Fault, ...] = (
    *(Fault("A1", name, 70, 10_000, mutants.reader(name)) for name in READERS),
    Fault("A1", "every reader", 70, 10_000, mutants.every_reader),
    Fault("A1", "real files", 0, 500, mutants.reader("real", real=True)),
    Fault("A6", "sentinels", 10, 500, values.sentinels),
    Fault("A9", "shuffled and doubled", 2, 50, order.shuffled),
    Fault("A10", "future-dated files", 99, 99, clocks.future),
    Fault("A11", "host time zones", 1, 99, clocks.zones),
    Fault("A11", "odd times", 1, 1, clocks.odd_times),
    Fault("A11", "naive times", 1, 1, clocks.naive),
    Fault("A14", "missing sources", 6, 99, sources.subsets),
    Fault("B1", "kill -9", 40, 500, crashes.kills),
    Fault("B2", "fail the N-th call", 12, 10_000, crashes.every_call_fails),
)
