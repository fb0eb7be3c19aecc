"""Where things are kept: tables of the database, whole files in a folder or object store."""
