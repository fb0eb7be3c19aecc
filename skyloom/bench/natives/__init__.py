"""The experiment of native sizes against square crops, in parts."""
