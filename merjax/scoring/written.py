"""Scores as text."""


def number(value: float, digits: int = 3, sign: bool = False) -> str:
    """A score in fixed digits; "–" where it is undefined."""
    return "–" if value != value else f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def p_text(p: float) -> str:
    """A p value; one that would be written as 0 is "<0.001"."""
    return "<0.001" if p < 0.0005 else number(p)


def with_interval(row: dict, name: str, sign: bool = False) -> str:
    """A score with its interval and, if there are several seeds, the standard deviation over them."""
    text = number(row[name], sign=sign)
    if (sd := row.get(f"{name}_sd", float("nan"))) == sd:
        text += f" ± {number(sd)}"
    if (low := row.get(f"{name}_low", float("nan"))) == low:
        text += f" [{number(low, sign=sign)}, {number(row[f'{name}_high'], sign=sign)}]"
    return text
