"""The derivation pages, read as programs: what a page displays is what is checked."""
