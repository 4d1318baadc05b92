"""Clips to a clip store on disk, and back."""
