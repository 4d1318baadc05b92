"""A trained run: saved, loaded, used on other clips, and examined."""
