"""What a loss may do instead of what it should, as data: how each deviation changes the answers of a loss.

A model answers questions: the first one is our own loss (`ours`). A hypothesis changes a question, or the answers, or
both, and what it changes may be changed already: two of them are one after the other. Defects of floating point are
formulas, worked out in the candidate's format and differentiated by a tape that rounds, overflows and multiplies 0 by
∞ where an autodiff does.
"""

from reflosses.diagnosis.hypotheses.table import HYPOTHESES as HYPOTHESES
from reflosses.diagnosis.model import Hypothesis as Hypothesis
from reflosses.diagnosis.model import Model as Model
from reflosses.diagnosis.model import Question as Question
from reflosses.diagnosis.model import one_hot as one_hot
from reflosses.diagnosis.model import ours as ours
