"""What notebooks use to look: figures in one style, and progress that people and programs can follow."""
