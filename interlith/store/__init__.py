"""Where results live: job store, results database, files, export.

>>> from interlith.store.project import init_project
>>> from interlith.store.results import ResultsDatabase
>>> database = ResultsDatabase(init_project("."))
>>> len(database.windows())
0
"""
