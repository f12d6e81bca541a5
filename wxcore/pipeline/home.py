"""Where one installation keeps its things."""

from dataclasses import dataclass
from pathlib import Path

from wxcore.landing.ledger import Ledger, open_ledger

LEDGER_FILE = "ledger.sqlite"


@dataclass(frozen=True)
class Home:
    """A folder: landing/ (bytes under their sha256, and the journal of what came), archive/<region>/, ledger.sqlite,
    warnings/ (journal of cycles and warnings), drafts/, report.html, status.json, reserve.

    Attributes:
        ledger_url: SQLAlchemy URL of another database (PostgreSQL); empty for the SQLite file here.
        archive_url: `s3://bucket/prefix?...` of an object store; empty for the folder here.
        sources: folders that files may be taken from, links followed; empty: any.
        models_at: another folder of trained models; None for the folder here.
        syn_models: may models that learnt from simulated data judge real data?
    """

    root: Path
    ledger_url: str = ""
    archive_url: str = ""
    sources: tuple[Path, ...] = ()
    models_at: Path | None = None
    syn_models: bool = False

    @property
    def landing(self) -> Path:
        """Root of the landed bytes."""
        return self.root / "landing"

    @property
    def archive(self) -> Path | str:
        """Root of the archives, one a region."""
        return self.archive_url or self.root / "archive"

    @property
    def models(self) -> Path:
        """Models that were trained here, and which of each hazard is promoted."""
        return self.models_at or self.root / "models"

    @property
    def drafts(self) -> Path:
        """CAP and GeoJSON of the drafts."""
        return self.root / "drafts"

    @property
    def warnings(self) -> Path:
        """Journal of cycles and warnings: what the ledger is rebuilt from, kept for ever."""
        return self.root / "warnings"

    @property
    def report(self) -> Path:
        """The report of the latest run."""
        return self.root / "report.html"

    @property
    def status(self) -> Path:
        """What `wx watch` last said of itself."""
        return self.root / "status.json"

    @property
    def ledger_file(self) -> Path | None:
        """The SQLite file; None where another database is the ledger."""
        return None if self.ledger_url else self.root / LEDGER_FILE

    @property
    def ledger_at(self) -> Path | str:
        """Path or URL of the ledger."""
        return self.ledger_url or self.root / LEDGER_FILE

    def ledger(self) -> Ledger:
        """Open the ledger, creating folder and tables where they are not there yet."""
        self.root.mkdir(parents=True, exist_ok=True)
        return open_ledger(self.ledger_at, landing=self.landing, warnings=self.warnings)


def is_home(folder: Path) -> bool:
    """Does a home of ours lie here? Its files are no input."""
    home = Home(folder)
    return home.landing.is_dir() and home.warnings.is_dir()
