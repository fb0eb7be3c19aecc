"""The report of an ingest: one page that holds its pictures, no server or network needed."""

from base64 import b64encode
from collections import Counter
from html import escape
from pathlib import Path
from urllib.parse import quote

from skyloom.files import atomic_path
from skyloom.ingest.folder import CLIPS, STRIPS, readable
from skyloom.ingest.judge import REASONS, Verdict

SHOWN = 200
"""Rows of a table, at most; the files beside the page have all of them."""

HEAD = """<!doctype html>
<meta charset="utf-8">
<title>skyloom ingest</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; max-width: 70em; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: .3em .6em; text-align: left; border-bottom: 1px solid #8884; }
img { display: block; width: 26em; }
h2 { margin-top: 2em; }
</style>
"""


def write_report(path: Path, kept: list[Verdict], rejected: list[Verdict]) -> None:
    """Write the page: counts, then what is kept, then what is not by its reason."""
    strips = path.parent / STRIPS
    seconds = sum(verdict.stop - verdict.start for verdict in kept)
    counts = Counter(verdict.reason for verdict in rejected)
    lines = [
        HEAD,
        "<h1>skyloom ingest</h1>",
        f"<p>{len(kept)} clips are kept, {seconds:.1f} seconds in all. "
        f"{len(rejected)} films and shots are not:</p>",
        "<ul>",
        *(f"<li>{counts[reason]} {reason}</li>" for reason in REASONS if counts[reason]),
        "</ul>",
        *_table("kept", kept, "captions.jsonl", strips),
    ]
    for reason in REASONS:
        found = [verdict for verdict in rejected if verdict.reason == reason]
        if found:
            lines += _table(reason, found, "rejected.jsonl", strips)
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", "utf-8")


def _table(title: str, verdicts: list[Verdict], file: str, strips: Path) -> list[str]:
    lines = [f"<h2>{escape(title)}: {len(verdicts)}</h2>", "<table>"]
    lines += [_row(verdict, strips) for verdict in verdicts[:SHOWN]]
    lines.append("</table>")
    if len(verdicts) > SHOWN:
        lines.append(f"<p>and {len(verdicts) - SHOWN} more, in {file}.</p>")
    return lines


def _row(verdict: Verdict, strips: Path) -> str:
    picture = ""
    if verdict.strip and (strips / verdict.strip).is_file():  # a person may have removed it
        strip = b64encode((strips / verdict.strip).read_bytes()).decode()
        picture = f'<img alt="" src="data:image/jpeg;base64,{strip}">'
    about = escape(readable(verdict.source))
    if verdict.stop:
        about += f"<br>{verdict.start:.2f} to {verdict.stop:.2f} s"
        about += f", {verdict.size[0]}x{verdict.size[1]}"
    about += f"<br>{escape(verdict.detail)}" if verdict.detail else ""
    if verdict.clip:
        about += f'<br><a href="{quote(f"{CLIPS}/{verdict.clip}")}">{escape(verdict.clip)}</a>'
    return f"<tr><td>{picture}</td><td>{about}</td></tr>"
