"""If a function is wrong: the known convention or defect that explains its numbers."""

from reflosses.diagnosis.search import diagnose as diagnose
