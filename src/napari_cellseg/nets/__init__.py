"""Pure torch: architectures and loss maths; no configuration, no files."""
