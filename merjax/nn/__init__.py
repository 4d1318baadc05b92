"""The networks.

Those that take one picture of each clip, such as its flow image, are flax modules with a field `classes`, the number K. They
are called alike and give scores before the softmax, `[B, K]`:

- `x_CxHxWxB`: the pictures of a batch; in STSTNet, their windows.
- `weight_B`: how much each sample counts in batch normalisation. A network whose samples do not touch one another has no use
  for it.
- `dropout_rate`: may be traced.
- `key`: dropout's randomness. None means inference: nothing is dropped, and running averages normalise.
"""
