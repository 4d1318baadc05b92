"""The stages that methods are made of: pure functions for the engine."""
