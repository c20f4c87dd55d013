"""Right and wrong implementations of the losses, as people write them, and what a person should be told of each.

`right_*.py` and `wrong_*.py` each hold a table `ROWS` for one framework. `tests/measuring/verdicts.py` asks `check` for
its verdict of every row and counts; `tests/verdicts/` and `tests/installed/` prove that the rows themselves are true.
"""
