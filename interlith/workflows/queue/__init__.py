"""Runs that outlive the terminal: job folders, a worker for them, Slurm, what went wrong.

A job is a folder with what to run (``job.json``), how far it is (``state.json``) and what it said
(``log.txt``). Nothing else is needed: no database, no server.
"""
