"""What a run trains on, and after how much of its budget it is tested."""
