"""Certificates, and manifests as they are read."""
