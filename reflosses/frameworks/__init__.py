"""What functions of other frameworks compute: one module a framework, one row a function (`function.py` says how)."""
