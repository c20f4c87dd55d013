"""The figures of the pages: `gallery` has all by name, `drawing` is their style, the other modules draw them."""
