"""The parts that networks are made of; each fast form has a plain reference in the tests."""
