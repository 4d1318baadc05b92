"""Published scores, beside those of a sweep that repeats them."""
