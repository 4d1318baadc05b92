"""What merjax needs of Python, the machine and JAX, whatever is trained. Imports nothing else of merjax."""
