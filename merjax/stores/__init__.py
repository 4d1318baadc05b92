"""Writes clips to a clip store on disk, and reads them back."""
