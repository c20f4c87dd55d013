"""One loss, one file. `reflosses` exports them all."""
