"""How every word of the command line prints sentences: unchanged, even with brackets, and without line breaks."""

from rich.console import Console
from rich.text import Text


def say(console: Console, sentence: str, style: str = "") -> None:
    """Print a sentence as it is (`regions=[eyes]` is not a style); an empty one prints nothing."""
    if sentence:
        console.print(Text(sentence, style=style), soft_wrap=True)


def wide_console() -> Console:
    """A console for tables with many columns: a file or a pipe does not wrap them at 80 characters."""
    console = Console()
    return console if console.is_terminal else Console(width=140)
