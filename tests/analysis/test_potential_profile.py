"""Two layers in series: laws of a divider, and the thickness rule of the reviews."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlith.analysis.potential_profile import (
    Layer,
    potential_profile,
    protects,
    required_thickness,
)
from interlith.errors import InputError

thickness = st.floats(0.1, 1e6)
conductivity = st.floats(1e-16, 1e-1)
layers = st.builds(
    Layer, thickness_nm=thickness, electronic_s_cm=conductivity, ionic_s_cm=conductivity
)


def coating(nm: float) -> Layer:
    return Layer(thickness_nm=nm, electronic_s_cm=1e-14, ionic_s_cm=1e-6)


def electrolyte(um: float) -> Layer:
    return Layer(thickness_nm=1000 * um, electronic_s_cm=1e-11, ionic_s_cm=1e-3)


@given(layers, st.floats(0.1, 5.0))
def test_equal_layers_halve_the_drop(layer: Layer, cathode_v: float) -> None:
    profile = potential_profile(layer, layer, cathode_v)
    assert profile.boundary_v == pytest.approx(cathode_v / 2)
    assert profile.fraction_in_coating == pytest.approx(0.5)


@given(layers, layers, st.floats(-1.0, 2.0), st.floats(0.1, 3.0))
def test_profile_falls_monotonically_from_cathode_to_anode(
    a: Layer, b: Layer, anode_v: float, drop: float
) -> None:
    profile = potential_profile(a, b, anode_v + drop, anode_v)
    assert profile.potential_v[0] == pytest.approx(anode_v + drop)
    assert profile.potential_v[-1] == pytest.approx(anode_v, abs=1e-9)
    steps = list(zip(profile.potential_v, profile.potential_v[1:], strict=False))
    assert all(second <= first + 1e-9 for first, second in steps)
    assert list(profile.position_nm) == sorted(profile.position_nm)
    assert profile.position_nm[-1] == pytest.approx(a.thickness_nm + b.thickness_nm)
    assert profile.fraction_in_coating + profile.fraction_in_electrolyte == pytest.approx(1.0)


@given(layers, layers)
def test_flux_is_the_same_in_both_layers(a: Layer, b: Layer) -> None:
    """J = sigma_e sigma_i / (sigma_e + sigma_i) times the gradient, in each layer."""
    profile = potential_profile(a, b, 4.0)
    for layer, fraction in ((a, profile.fraction_in_coating), (b, profile.fraction_in_electrolyte)):
        e, i = layer.electronic_s_cm, layer.ionic_s_cm
        gradient = 4.0 * fraction / (layer.thickness_nm * 1e-7)
        assert e * i / (e + i) * gradient == pytest.approx(profile.leakage_current_a_cm2, rel=1e-4)


@given(layers, layers, st.floats(1.01, 100.0))
def test_thicker_coating_lowers_the_boundary(a: Layer, b: Layer, factor: float) -> None:
    thick = a.model_copy(update={"thickness_nm": factor * a.thickness_nm})
    assert (
        potential_profile(thick, b, 4.0).boundary_v
        <= potential_profile(a, b, 4.0).boundary_v + 1e-12
    )


def test_limits_of_an_insulating_and_of_a_leaking_coating() -> None:
    b = electrolyte(100)
    tight = Layer(thickness_nm=10, electronic_s_cm=1e-25, ionic_s_cm=1e-6)
    leaky = Layer(thickness_nm=10, electronic_s_cm=1.0, ionic_s_cm=1.0)
    assert potential_profile(tight, b, 4.0).boundary_v == pytest.approx(0.0, abs=1e-6)
    assert potential_profile(leaky, b, 4.0).boundary_v == pytest.approx(4.0, abs=1e-6)


def test_blocking_ions_protects_as_blocking_electrons_does() -> None:
    b = electrolyte(100)
    electrons = Layer(thickness_nm=10, electronic_s_cm=1e-14, ionic_s_cm=1e-3)
    ions = Layer(thickness_nm=10, electronic_s_cm=1e-3, ionic_s_cm=1e-14)
    assert potential_profile(electrons, b, 4.0).boundary_v == pytest.approx(
        potential_profile(ions, b, 4.0).boundary_v
    )


@pytest.mark.parametrize(
    ("cathode_v", "limit_v"), [(3.45, 2.91), (4.2, 3.5001), (4.2, 3.7), (4.0, 3.39)]
)
def test_thickness_rule_of_the_reviews(cathode_v: float, limit_v: float) -> None:
    """10 nm protect 50 um and less, not 100 um; 50 nm and more protect 100 um."""
    for um in (5, 20, 50):
        assert protects(coating(10), electrolyte(um), cathode_v, limit_v)
    assert not protects(coating(10), electrolyte(100), cathode_v, limit_v)
    for nm in (50, 100, 500):
        assert protects(coating(nm), electrolyte(100), cathode_v, limit_v)


@pytest.mark.parametrize("ratio", [5 / 6 - 0.001, 10 / 11 + 0.001])
def test_rule_needs_a_limit_between_five_sixths_and_ten_elevenths(ratio: float) -> None:
    cathode_v = 4.0
    both = (
        protects(coating(10), electrolyte(50), cathode_v, ratio * cathode_v),
        protects(coating(10), electrolyte(100), cathode_v, ratio * cathode_v),
    )
    assert both != (True, False)


@given(layers, layers, st.floats(0.1, 3.9))
def test_required_thickness_just_protects(a: Layer, b: Layer, limit_v: float) -> None:
    found = required_thickness(a, b, 4.0, limit_v)
    assert found.thickness_nm is not None
    exact = a.model_copy(update={"thickness_nm": found.thickness_nm})
    assert potential_profile(exact, b, 4.0).boundary_v == pytest.approx(limit_v)


def test_thiophosphate_needs_87_nm() -> None:
    found = required_thickness(coating(1), electrolyte(100), 4.3, 2.3)
    assert found.thickness_nm == pytest.approx(87.0, abs=0.5)


def test_no_thickness_is_enough_or_needed() -> None:
    hopeless = required_thickness(coating(10), electrolyte(50), 4.0, 0.5, anode_v=0.6)
    assert (hopeless.status, hopeless.thickness_nm) == ("no_answer", None)
    assert "0.6" in str(hopeless.reason)
    assert required_thickness(coating(10), electrolyte(50), 2.0, 2.3).thickness_nm == 0.0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"thickness_nm": 0.0}, "thickness_nm"),
        ({"electronic_s_cm": -1.0}, "electronic_s_cm"),
        ({"ionic_s_cm": float("nan")}, "ionic_s_cm"),
    ],
)
def test_bad_layer_is_refused(change: dict[str, float], word: str) -> None:
    with pytest.raises(InputError, match=f"{word} of the coating"):
        potential_profile(coating(10).model_copy(update=change), electrolyte(50), 4.0)


def test_reversed_cell_is_refused() -> None:
    with pytest.raises(InputError, match="not above the anode"):
        potential_profile(coating(10), electrolyte(50), 0.0, 4.0)
    with pytest.raises(InputError, match="at least 2"):
        potential_profile(coating(10), electrolyte(50), 4.0, n_points=1)
