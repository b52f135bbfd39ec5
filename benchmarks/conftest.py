# Performance

Written by `pytest benchmarks --write-docs` (`make bench` without the page), last on 2026-11-21: 2 cores, x86_64, Python 3.11.7. Times are wall times of one run on a shared machine; ratios are measured side by side in one process. One file's rows alone: `pytest benchmarks/test_terminations.py --write-docs`.

| what | measured | asked | met |
|---|---|---|---|
| 1,000 coating x cathode pairs, minimum energy | 0.28 s, 414 times faster (pymatgen 114 s for 1000 pairs, scaled from 100 pairs in the same process) | 500 times | no |
| 1,000 coating x cathode pairs, all kinks, products and equations | 0.89 s, 128 times faster | 150 times | no |
| load 85,098 phases | 0.46 s parsed, 0.010 s from the cache | under 1 s, no second parse | yes |
| stable phases of the 2019 set, once per content | 33,935 of 85,094 in 12 s | found once and kept | yes |
| 103,848 pairs: every Li phase with six electrolytes and six electrodes, two processes | 20 s | under 90 s on two cores | yes |
| 10 elements (Li-Ni-Mn-Co-O-P-S-Cl-Nb-H): window and reaction | 0.058 s | under 0.2 s (pymatgen: killed after 290 s) | yes |
| full coating funnel over all Li phases (8,656 judged, 0 failures) | 9.7 s | under 15 s | yes |
| its peak memory | 274 MB | under 1 GB | yes |
| `interlith --help` | 0.09 s | under 0.5 s | yes |
| `interlith window Li6PS5Cl` | 0.50 s | under 1.5 s | yes |
| terminations of Li(001) on garnet (001), tetragonal, 192 atoms | 26 ms for 6 pairs, 760 times faster (pymatgen's CoherentInterfaceBuilder, label_index=True, without its lattice matching: 19.9 s for 3) | 20 times | yes |
| terminations of Li(001) on garnet (001), cubic, ordered (no symmetry), 192 atoms | 27 ms for 25 pairs, 620 times faster (pymatgen's CoherentInterfaceBuilder, label_index=True, without its lattice matching: 16.6 s for 25) | 20 times | yes |
| MD steps a second, chgnet, 52 atoms of Li6PS5Cl, Langevin, 500 steps | 54.4, atomate2's ForceFieldMDMaker 27.6: 1.97 times | 1.3 times | yes |
| MD steps a second, chgnet, 416 atoms of Li6PS5Cl, Langevin, 171 steps | 10.3, atomate2's ForceFieldMDMaker 4.53: 2.27 times | 1.3 times | yes |
| MD steps a second, mace, 52 atoms of Li6PS5Cl, Langevin, 401 steps | 153, atomate2's ForceFieldMDMaker 94.5: 1.62 times | 1.3 times | yes |
| MD time outside the force call, mace, 52 atoms | 5.9 % | 15 % | yes |
| MD steps a second, mace, 416 atoms of Li6PS5Cl, Langevin, 500 steps | 63.9, atomate2's ForceFieldMDMaker 40.4: 1.58 times | 1.3 times | yes |
| MD steps a second, 7net-0, 52 atoms of Li6PS5Cl, Langevin, 171 steps | 12.8, atomate2's ForceFieldMDMaker 12.6: 1.02 times | 1.0 times | yes |
| MD time outside the force call, 7net-0, 52 atoms | 0.8 % | 5 % | yes |
| MD steps a second, 7net-0, 416 atoms of Li6PS5Cl, Langevin, 21 steps | 1.35, atomate2's ForceFieldMDMaker 1.26: 1.07 times | 1.0 times | yes |
| resident memory from 1,000 to 20,000 MD steps (EMT, a frame every step) | +0.7 MB (112 MB), in 39 s | 50 MB | yes |
| MD step of the shipped MACE (one member) beside SevenNet 7net-0, 52 atoms | 7.2 ms against 81 ms: 11 times faster | 15 times | no |
| MD step of the shipped MACE (one member) beside SevenNet 7net-0, 416 atoms | 17.9 ms against 859 ms: 48 times faster | 15 times | yes |
| 100,000 frames, 200 mobile atoms: MSD at every lag | 1.2 s | 10 s | yes |
| 100,000 frames, 200 mobile atoms: diffusivity, conductivity and Haven ratio with errors (MSD again included) | 1.7 s | 30 s more | yes |
| 100,000 frames, 200 mobile atoms: reading the H5MD file in blocks | 2.2 s | not asked | yes |
| 100,000 frames, 200 mobile atoms: peak memory, everything | 0.74 GB | 2 GB | yes |

The figures asked for the 1,000 pairs come from a machine on which pymatgen took 218 s and one linear program a pair 0.26 s. About 40 % of our time is inside HiGHS and 10 % in handing it the model. For some pairs with LiNi1/3Mn1/3Co1/3O2 pymatgen gives no answer (more than two intersections of a line with a simplex); their time counts all the same.

A step of the shipped MACE at 52 atoms is 5 ms of torch's own calls, whatever the number of atoms, and 0.03 ms an atom: the ratio to SevenNet grows with the cell. On a GPU: `python benchmarks/gpu_md.py --write-docs` (none was at hand; it says so and ends).
