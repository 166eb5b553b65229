"""Fills with patches of the picture itself, and keeps from where each pixel was copied."""
