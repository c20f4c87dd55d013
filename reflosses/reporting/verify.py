"""The main job: are our losses right, and are other people's?

certification     every loss of ours against its certified truth, and against finite differences
implementations   functions of frameworks against the certified truth of the losses that they equal
real data         metrics of scikit-learn on predictions of its models against ours; ours against the truth
"""

from __future__ import annotations

import time

from reflosses.reporting.certification import certification_rows
from reflosses.reporting.implementations import implementation_rows
from reflosses.reporting.real_data import real_data_rows
from reflosses.reporting.rows import FUNCTIONS, LOSSES, ON_REAL_DATA, Leg, Report, Tick, Wanted

LEGS = {LOSSES: certification_rows, FUNCTIONS: implementation_rows, ON_REAL_DATA: real_data_rows}


def verify(wanted: Wanted, tick: Tick = lambda *_: None) -> Report:
    """Run all legs; an interrupt ends the run, and the report has what is done so far."""
    report = Report(wanted)
    try:
        for name, rows in LEGS.items():
            leg = Leg(name)
            report.legs.append(leg)
            start = time.perf_counter()
            try:
                for row in rows(wanted, leg.missing, tick):
                    leg.rows.append(row)
            finally:
                leg.rows.sort(key=lambda row: row.place)
                leg.seconds = time.perf_counter() - start
    except KeyboardInterrupt:
        report.interrupted = True
    return report
