"""Where jobs and results lie when nobody says: in one folder that is plainly seen."""

from pathlib import Path

DATA = Path("skyloom-data")


def default_database(data: Path = DATA) -> str:
    """URL of the SQLite file; its folder is made."""
    data.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{data / 'jobs.sqlite'}"


def default_files(data: Path = DATA) -> str:
    """The folder of inputs and results."""
    return str(data / "files")
