"""Tensors only: from prompts, photos and seeds to latents and pictures, without queue, database or runs."""
