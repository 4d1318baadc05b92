"""The words of the command line: the only files that parse arguments or print."""
