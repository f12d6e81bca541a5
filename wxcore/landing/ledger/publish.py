"""Publish a cycle: its version and its drafts, in one transaction that only the holder of the lease may make."""

from collections.abc import Sequence

from wxcore.landing.ledger.cycles import Outcome, enter_cycle
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.leases import Lease, check_lease
from wxcore.landing.ledger.tables import Ledger
from wxcore.landing.ledger.warnings import Draft, enter_drafts, withdraw_drafts


def publish_cycle(ledger: Ledger, lease: Lease, outcome: Outcome, drafts: Sequence[Draft] | None) -> tuple[str, ...]:
    """Enter what a run came to, all or nothing.

    Args:
        lease: on this cycle; says which region and time.
        drafts: of this run; None for a re-analysis, which changes no warning.

    Returns:
        ids of drafts that an earlier run of this cycle left and this one withdraws, ascending.

    Raises:
        LedgerError: the lease was superseded; the database or the journal fails. Nothing is entered then.
    """
    with writing(ledger) as transaction:
        check_lease(transaction.connection, lease)
        enter_cycle(transaction, lease.region, lease.time, outcome)
        if drafts is None:
            return ()
        enter_drafts(transaction, lease.region, lease.time, drafts)
        gone = withdraw_drafts(transaction, lease.region, lease.time, {draft.id for draft in drafts})
    return tuple(gone)
