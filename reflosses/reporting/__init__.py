"""What people read: our own losses certified, other functions judged, as a table, JSON, Markdown or JUnit."""
