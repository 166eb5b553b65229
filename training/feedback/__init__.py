"""Training of a restoration network that words steer: `session` is the way in, everything else serves it."""
