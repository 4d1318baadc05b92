"""Handcrafted baselines of the paper's Tables 8 and 9: a descriptor of each clip's motion, and a linear SVM per fold."""
