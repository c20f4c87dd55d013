"""A function that somebody else wrote: it is asked at hard inputs, and its answers are judged."""
