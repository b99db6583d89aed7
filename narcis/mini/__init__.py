"""narcis-mini, the embedded model: its painter, its parts and how they are trained, its checks."""
