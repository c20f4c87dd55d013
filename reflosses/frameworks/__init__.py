"""What functions of frameworks compute: one module for each framework, one row for each function (`function.py`)."""
