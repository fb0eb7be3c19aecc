"""Words of our manifests that are written in one place and read in another."""

GENERATION = "org.skyloom.generation"
"""The label of the assertion that says how a file was made."""

SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""What a source of pictures begins with, as IPTC lists them."""
