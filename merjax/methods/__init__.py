"""What is trained: the paper's method, networks on flow images, handcrafted descriptors."""
