"""What merjax needs from Python, the machine and JAX, whatever it trains. This package imports nothing else of merjax."""
