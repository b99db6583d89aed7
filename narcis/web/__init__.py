"""What people see in a browser: the wall, the studio, and the operators' desk.  No tensors here."""
