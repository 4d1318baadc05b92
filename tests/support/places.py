"""Where tests find the checkout, its helpers, and the real material that is never part of the project."""

from pathlib import Path

HELPERS = Path(__file__).resolve().parent
CHECKOUT = HELPERS.parents[1]
SHARED = CHECKOUT.parent / "shared"
LONDON = SHARED / "faces" / "london" / "neutral"
