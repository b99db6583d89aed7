"""Tensors only: from prompts, photos and seeds to latents and pictures, without a queue, a database or a disk of runs."""
