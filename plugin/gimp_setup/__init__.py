"""Put the GIMP plug-in into profiles of GIMP 3, take it out again, and say what works and what does not."""
