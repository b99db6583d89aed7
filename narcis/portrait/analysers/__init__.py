"""Face analysers that any model may ask for; mini has its own.  Each names its licence."""
