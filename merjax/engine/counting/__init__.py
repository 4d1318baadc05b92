"""What a program launches and moves on a device, counted without running it, and how long it would take there."""
