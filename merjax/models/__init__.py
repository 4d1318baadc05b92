"""A trained run: kept, loaded, used on other clips, and looked into."""
