"""What the detector looks at, learns from, and how it is taught."""
