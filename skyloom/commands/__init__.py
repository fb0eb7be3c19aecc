"""The verbs of the command line, one room's verbs a file: flags in, one call, a line out."""
