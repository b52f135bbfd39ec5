"""Speed of the results database: import of many records, queries of the flat table.

python benchmarks/store_speed.py [RECORDS]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from interlith.analysis.hull import Hull
from interlith.analysis.reference_catalog import load_reference
from interlith.analysis.windows import stability_window
from interlith.store.project import init_project
from interlith.store.results import ResultsDatabase
from interlith.store.studies import import_path


def windows(count: int) -> list[dict[str, object]]:
    """Real window records with made-up formulas and limits."""
    hull = Hull(load_reference("default"))
    base = stability_window(hull, "Li6PS5Cl", voltages_v=(0.0, 4.3)).to_json()
    if count > 20_000:
        base["ladder"] = []  # so many whole records would not fit in memory as one file
    return [
        base
        | {
            "formula": f"Li{2 + n % 7}PS{1 + n}",
            "reduction_potential_v": 1.0 + (n % 997) / 1000,
            "oxidation_potential_v": 2.0 + (n % 1999) / 1000,
            "status": "ok" if n % 10 else "diagnosis",
        }
        for n in range(count)
    ]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "windows.json"
        file.write_text(json.dumps(windows(count)))
        database = ResultsDatabase(init_project(folder))
        started = time.perf_counter()
        import_path(file, database)
        imported = time.perf_counter() - started
        started = time.perf_counter()
        database.flat.refresh(database.documents)
        built = time.perf_counter() - started
        where = {"oxidation_potential_v__gt": 3.9, "reduction_potential_v__lt": 1.2, "status": "ok"}
        times = []
        for _ in range(5):
            started = time.perf_counter()
            found = database.windows(**where)
            times.append(time.perf_counter() - started)
        size = sum(p.stat().st_size for p in database.project.folder.iterdir() if p.is_file())
        print(
            f"{count} records: import {imported:.1f} s, flat table {built:.1f} s, three filters "
            f"{1000 * min(times):.1f} ms (worst {1000 * max(times):.1f} ms) for {len(found)} rows, "
            f"{size / 1e6:.0f} MB on disk"
        )


if __name__ == "__main__":
    main()
