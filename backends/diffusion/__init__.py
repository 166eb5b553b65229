"""Fills by diffusion models, through Hugging Face diffusers."""
