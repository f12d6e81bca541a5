"""Where one installation keeps its things."""

from dataclasses import dataclass
from pathlib import Path

from wxcore.landing.ledger import Ledger, open_ledger


@dataclass(frozen=True)
class Home:
    """A folder: landing/ (bytes under their sha256), archive/<region>/, ledger.sqlite, cap/, report.html."""

    root: Path

    @property
    def landing(self) -> Path:
        """Root of the landed bytes."""
        return self.root / "landing"

    @property
    def archive(self) -> Path:
        """Root of the archives, one a region."""
        return self.root / "archive"

    @property
    def drafts(self) -> Path:
        """CAP and GeoJSON of the drafts."""
        return self.root / "drafts"

    @property
    def report(self) -> Path:
        """The report of the latest run."""
        return self.root / "report.html"

    def ledger(self) -> Ledger:
        """Open the ledger, creating folder and tables where they are not there yet."""
        self.root.mkdir(parents=True, exist_ok=True)
        return open_ledger(self.root / "ledger.sqlite")
