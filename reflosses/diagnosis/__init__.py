"""And if a function is wrong: what does it do instead?"""

from reflosses.diagnosis.search import diagnose as diagnose
