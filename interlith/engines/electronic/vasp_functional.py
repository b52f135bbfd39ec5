"""The functional that a VASP input asks for: its name, and the settings that decide it.

>>> functional_of({"ENCUT": 520, "GGA": "PE"})
('PBE', {})
>>> functional_of({"LHFCALC": True, "HFSCREEN": 0.2, "IVDW": 12})
('HSE06+D3(BJ)', {'HFSCREEN': 0.2, 'IVDW': 12, 'LHFCALC': True})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GGAS = {
    "PE": "PBE", "--": "PBE", "PS": "PBEsol", "RP": "RPBE", "RE": "revPBE", "AM": "AM05",
    "91": "PW91", "CA": "LDA", "B3": "B3LYP-GGA", "MK": "optB86b", "BO": "optB88", "OR": "optPBE",
}  # fmt: skip
"""VASP's names; without one the potentials decide, which are PBE's here."""
META = {"R2SCAN": "r2SCAN", "RSCAN": "rSCAN"}
DISPERSION = {1: "D2", 10: "D2", 11: "D3", 12: "D3(BJ)", 13: "D4", 2: "TS", 20: "TS", 202: "MBD"}
ALWAYS = ("GGA", "METAGGA", "LHFCALC", "LUSE_VDW", "IVDW")
WITH_META = ("CMBJ", "MSTAU")
WITH_EXCHANGE = ("AEXX", "AGGAX", "AGGAC", "ALDAX", "ALDAC", "AMGGAX", "AMGGAC", "HFSCREEN",
                 "LTHOMAS", "LMODELHF")  # fmt: skip
WITH_VDW = ("PARAM1", "PARAM2", "ZAB_VDW", "BPARAM", "CPARAM", "AGGAC")
WITH_DISPERSION = ("VDW_S6", "VDW_S8", "VDW_SR", "VDW_A1", "VDW_A2", "VDW_D", "VDW_RADIUS")
OFF = ("", "--", "NONE", "F", "FALSE", ".FALSE.", "0")
SCREENINGS = {"PBE0": 0.0, "HSE06": 0.2, "HSE03": 0.3}
SAME = 0.01


def functional_of(incar: Mapping[str, Any], *, hubbard: bool = False) -> tuple[str, dict[str, Any]]:
    """Name of the functional, and the keys of INCAR that make it another one than PBE.

    Parameters
    ----------
    incar : mapping
        As VASP read it, its potentials being PBE's.
    hubbard : bool
        Whether some U is not zero.
    """
    given = {str(key).upper(): value for key, value in incar.items()}
    deciding = {key: given[key] for key in ALWAYS if _on(given.get(key))}
    if GGAS.get(_text(deciding.get("GGA"))) == "PBE":
        del deciding["GGA"]
    more = (
        *(WITH_META if "METAGGA" in deciding else ()),
        *(WITH_EXCHANGE if "LHFCALC" in deciding else ()),
        *(WITH_VDW if "LUSE_VDW" in deciding else ()),
        *(WITH_DISPERSION if "IVDW" in deciding else ()),
    )
    deciding |= {key: given[key] for key in more if key in given}
    name = _exchange(deciding) + ("+U" if hubbard else "")
    if "LUSE_VDW" in deciding:
        name += "+vdW"
    if "IVDW" in deciding:
        name += f"+{DISPERSION.get(int(deciding['IVDW']), 'IVDW ' + str(deciding['IVDW']))}"
    return name, dict(sorted(deciding.items()))


def _exchange(deciding: Mapping[str, Any]) -> str:
    gga = _text(deciding.get("GGA"))
    base = GGAS.get(gga, f"GGA {gga}") if gga else "PBE"
    if "METAGGA" in deciding:
        meta = _text(deciding["METAGGA"])
        base = META.get(meta, meta)
    if "LHFCALC" not in deciding:
        return base
    exact, screening = (
        float(deciding.get(key, due)) for key, due in (("AEXX", 0.25), ("HFSCREEN", 0))
    )
    usual = (
        base == "PBE"
        and abs(exact - 0.25) < SAME
        and not deciding.keys() & {"AGGAX", "AGGAC", "ALDAX", "ALDAC"}
    )
    for name, due in SCREENINGS.items():
        if usual and abs(screening - due) < SAME:
            return name
    return f"{base} with {exact:g} exact exchange" + (
        f" screened at {screening:g}/A" if screening else ""
    )


def _on(value: Any) -> bool:
    return value is not None and _text(value) not in OFF


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip().upper()
