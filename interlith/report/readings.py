"""What several parts of the page read from the results."""

from __future__ import annotations

from interlith.analysis.study_results import Component, Interface, StudyResults
from interlith.analysis.windows import WindowRecord
from interlith.report.elements import Html, number
from interlith.report.figures import CathodeRange


def cathode_range(results: StudyResults) -> CathodeRange | None:
    """Formula and voltages of the cathode, from the study as it was given."""
    given = results.study.get("cathode")
    if not isinstance(given, dict) or "material" not in given or "voltage_v" not in given:
        return None
    low, high = given["voltage_v"]
    return str(given["material"]), (float(low), float(high))


def electrolyte_of(results: StudyResults) -> Component | None:
    """The electrolyte's component."""
    return next((c for c in results.components if c.role == "electrolyte"), None)


def limits(window: WindowRecord) -> tuple[Html, Html]:
    """Reduction and oxidation limit with their uncertainty."""
    sigma = window.sigma
    return (
        number(window.reduction_potential_v, sigma.reduction_v if sigma else None, "V"),
        number(window.oxidation_potential_v, sigma.oxidation_v if sigma else None, "V"),
    )


def stable_between(window: WindowRecord, low: float, high: float) -> bool:
    """Whether the window holds a range of voltages."""
    reduction, oxidation = window.reduction_potential_v, window.oxidation_potential_v
    return (reduction is None or reduction <= low) and (oxidation is None or oxidation >= high)


def contacts(results: StudyResults) -> list[Interface]:
    """Electrodes with the electrolyte, without coatings."""
    return [i for i in results.interfaces if "coating" not in (i.role_a, i.role_b)]


def number_failed(results: StudyResults) -> int:
    """Parts of the study without an answer."""
    return len(results.failures) + (len(results.coatings.failures) if results.coatings else 0)
