"""The GIMP plug-in: what is copied into GIMP's profile; it runs in GIMP's own Python."""
