"""The ground floor: pictures, holes, windows, blending, layers, layered files."""
