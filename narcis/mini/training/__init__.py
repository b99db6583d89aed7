"""How narcis-mini was trained: one module a part, all resumable, in the order of `plan.py`."""
