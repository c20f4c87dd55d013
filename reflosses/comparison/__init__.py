"""A function that somebody else wrote is asked at hard inputs, and its answers are judged."""
