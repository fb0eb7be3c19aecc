"""Making videos for others: an HTTP interface, jobs that survive, an engine for full batches.

`api` is the door of HTTP, `jobs` of the database, `engine` of the model; `order` and `job` are what
they speak of. The rooms below: `http` (bodies, routes, answers), `access` (who may ask), `intake`
(files from outside), `store` (tables and files), `worker` (makes the jobs), `making` (order to
files), `studio` and `reference` (pages).
"""
