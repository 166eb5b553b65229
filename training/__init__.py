"""Training: pictures, holes, losses, and the script that trains the embedded network."""
