"""Who does a sweep's work: processes that take chunks, train them, and tell how far they are."""
