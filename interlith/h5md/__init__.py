"""Trajectories in H5MD 1.1 files: written in transactions, read in blocks.

>>> from ase.build import bulk
>>> from interlith.h5md import H5mdReader, H5mdWriter
>>> atoms = bulk("Cu", cubic=True)
>>> writer = H5mdWriter.create("copper.h5", list(atoms.symbols), pbc=atoms.pbc, time_step_fs=10)
>>> writer.append(0, atoms.positions, atoms.cell.array)
>>> writer.commit()
1
>>> with H5mdReader("copper.h5") as frames:
...     frames.positions(0, 1).shape
(1, 4, 3)

Layout: ``/particles/all/position/{step,time,value}`` (float32, Angstrom, unwrapped),
``box/edges`` (rows are the cell vectors), ``species`` (atomic numbers), ``/observables``, and what
made the run as JSON in the attributes of ``/parameters/interlith``.
"""

from interlith.h5md.convert import convert
from interlith.h5md.reader import H5mdReader
from interlith.h5md.writer import H5mdWriter

__all__ = ["H5mdReader", "H5mdWriter", "convert"]
