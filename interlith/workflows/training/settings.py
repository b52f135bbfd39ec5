"""What a training is to do: the systems to sample, the fits and the rounds.

>>> settings = TrainSettings(systems=(SystemSettings(name="LiCl", material="LiCl"),))
>>> settings.fit.r_max_angstrom
5.0
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from interlith.errors import InputError

Positive = Annotated[float, Field(gt=0)]
Temperature = Annotated[float, Field(gt=0, le=10_000)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SystemSettings(_Settings):
    """One system to sample: a bulk crystal, a slab, an interface or a dimer.

    Attributes
    ----------
    name : str
        Group under which its errors are reported.
    material, partner : str
        Library name, formula or file; ``partner`` is the upper side of an interface. For a dimer
        the two elements.
    repeat : tuple of int
        Of the crystal's cell, for bulk.
    anti_site : float or None
        Argyrodites: fraction of cage centres that hold the halogen.
    miller, vacuum_angstrom
        For slabs.
    thickness_angstrom : float
        Least one of a slab, and of the partner in an interface; ``material`` gets four fifths.
    candidate : int
        Which termination of a slab, or which of the interfaces found, counted from 1.
    max_atoms : int
        Budget of an ordered, slab or interface cell.
    rattles_angstrom : tuple of float
        One frame of the base set for each, every coordinate displaced by a normal deviate.
    contacts : int
        Frames of the base set with one pair pushed together.
    max_strain : float
        Of the rattled frames of a bulk crystal, drawn for each of the six components.
    volumes : tuple of float
        Volume factors of the molecular dynamics of a bulk crystal, taken in turn.
    temperatures_k, md_ps
        Molecular dynamics of every round, one run for each temperature.
    teacher_ps : float
        Dynamics of the base set at the same temperatures, run by the teacher itself; 0 for none.
    held_out_temperatures_k : tuple of float
        Run with the final model only: labelled, never trained.
    held_out : bool
        Never trained at all; its dynamics is labelled at the end.
    frames : int
        Taken from each run, evenly in time.
    rounds : int
        Only the first so many rounds run it (and the last check); for systems soon learnt.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9.+-]+$")
    kind: Literal["bulk", "slab", "interface", "dimer"] = "bulk"
    material: str
    partner: str | None = None
    repeat: tuple[int, int, int] = (1, 1, 1)
    anti_site: float | None = Field(None, ge=0, le=1)
    miller: tuple[int, int, int] = (1, 0, 0)
    thickness_angstrom: float = Field(9.0, gt=0)
    vacuum_angstrom: float = Field(12.0, ge=0)
    candidate: int = Field(1, ge=1, le=20)
    max_atoms: int = Field(110, ge=1)
    rattles_angstrom: tuple[Positive, ...] = (0.03, 0.06, 0.1, 0.15, 0.2)
    contacts: int = Field(0, ge=0)
    max_strain: float = Field(0.03, ge=0, le=0.2)
    volumes: tuple[Positive, ...] = (1.0,)
    temperatures_k: tuple[Temperature, ...] = ()
    held_out_temperatures_k: tuple[Temperature, ...] = ()
    held_out: bool = False
    md_ps: float = Field(2.0, gt=0)
    teacher_ps: float = Field(0.0, ge=0)
    frames: int = Field(5, ge=1)
    rounds: int = Field(100, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> SystemSettings:
        if (self.kind in ("interface", "dimer")) != (self.partner is not None):
            raise ValueError(
                f"system '{self.name}' is a {self.kind}: 'partner' belongs to interfaces and "
                "dimers, and only to them"
            )
        if self.teacher_ps and not self.temperatures_k:
            raise ValueError(f"system '{self.name}' has teacher_ps and no temperatures_k")
        every = (*self.temperatures_k, *self.held_out_temperatures_k)
        if len(set(every)) < len(every):
            raise ValueError(f"system '{self.name}' names a temperature twice")
        return self


class FitSettings(_Settings):
    """Architecture and training of one model, handed to mace-torch's own trainer.

    Attributes
    ----------
    epochs, stage_two_epoch
        Of a model from scratch; in stage two the energy weighs as much as the forces.
    refit_epochs, refit_stage_two_epoch
        Of a model that starts from the last round's.
    final_epochs, final_stage_two_epoch
        Of the committee's members.
    """

    r_max_angstrom: float = Field(5.0, gt=0)
    hidden_irreps: str = "16x0e"
    interactions: int = Field(2, ge=1)
    max_ell: int = Field(3, ge=1)
    correlation: int = Field(2, ge=1)
    radial_functions: int = Field(8, ge=1)
    radial_mlp: tuple[int, ...] = (32, 32, 32)
    batch_size: int = Field(4, ge=1)
    learning_rate: float = Field(0.01, gt=0)
    refit_learning_rate: float = Field(0.005, gt=0)
    epochs: int = Field(36, ge=1)
    stage_two_epoch: int = Field(26, ge=1)
    refit_epochs: int = Field(16, ge=1)
    refit_stage_two_epoch: int = Field(11, ge=1)
    final_epochs: int = Field(48, ge=1)
    final_stage_two_epoch: int = Field(34, ge=1)
    energy_weight: float = Field(10.0, ge=0)
    forces_weight: float = Field(100.0, ge=0)
    stress_weight: float = Field(1000.0, ge=0)
    stage_two_energy_weight: float = Field(1000.0, ge=0)

    @model_validator(mode="after")
    def _stages(self) -> FitSettings:
        pairs = (
            ("epochs", self.epochs, self.stage_two_epoch),
            ("refit_epochs", self.refit_epochs, self.refit_stage_two_epoch),
            ("final_epochs", self.final_epochs, self.final_stage_two_epoch),
        )
        for name, last, second in pairs:
            if second >= last:
                raise ValueError(f"stage two begins at epoch {second}, {name} is only {last}")
        return self


class DynamicsSettings(_Settings):
    """Langevin dynamics that makes configurations.

    Attributes
    ----------
    barostat_time_fs, compressibility_per_gpa
        Of interfaces, whose cell is free along z: reactions change the volume.
    """

    timestep_fs: float = Field(2.0, gt=0, le=10)
    friction_per_ps: float = Field(5.0, gt=0)
    barostat_time_fs: float = Field(200.0, gt=0)
    compressibility_per_gpa: float = Field(0.05, gt=0)
    relax_steps: int = Field(20, ge=0)
    shortest_distance_angstrom: float = Field(1.2, gt=0)
    hottest: float = Field(3.0, gt=1)


class TrainSettings(_Settings):
    """A training from the first configuration to the committee.

    Attributes
    ----------
    licence, limits
        Of the models, for their card; they may change while a training is under way.
    teacher : str
        Potential that labels; see :func:`interlith.engines.potentials.potential`.
    start_from : str or None
        MACE committee to tune instead of a first fit, such as ``lpscl`` or ``mace:FILE,FILE``. Its
        first model runs the first round's dynamics and what is held out; every member starts from
        the model of its number, and the architecture in ``fit`` is not used.
    labelled : tuple of str
        Files (extxyz) of frames that this teacher has labelled already, such as steps of AIMD or
        what :func:`interlith.workflows.any_engine.labelling.label_frames` gave: all are trained on.
    largest_force_rms_ev_per_angstrom : float
        Frames above it are dropped: they would dominate the squared loss.
    min_rounds, max_rounds
        Of dynamics, labels and refit.
    force_bound_mev_per_angstrom, energy_bound_mev_per_atom
        Rounds end when a model's errors on frames of its own dynamics stay below both, the
        second being the magnitude of the mean error.
    check : str
        Dynamics of the last check: ``all`` runs of a round and those held out, or ``held_out``.
    members : int
        Models of the committee, each with a seed of its own.
    members_start : str
        ``scratch``: random weights, all frames. ``last_round``: the weights of the last round, and
        another share of the frames left out for each, which is several times faster; such members
        resemble each other, and their spread understates the error.
    """

    name: str = Field("committee", pattern=r"^[A-Za-z0-9_-]+$")
    licence: str = ""
    limits: tuple[str, ...] = ()
    teacher: str = "7net-l3i5"
    start_from: str | None = None
    systems: tuple[SystemSettings, ...] = Field(min_length=1)
    labelled: tuple[str, ...] = ()
    fit: FitSettings = FitSettings()
    dynamics: DynamicsSettings = DynamicsSettings()
    largest_force_rms_ev_per_angstrom: float = Field(2.0, gt=0)
    test_every: int = Field(10, ge=3)
    min_rounds: int = Field(2, ge=0)
    max_rounds: int = Field(3, ge=0)
    force_bound_mev_per_angstrom: float = Field(110.0, gt=0)
    energy_bound_mev_per_atom: float = Field(12.0, gt=0)
    check: Literal["all", "held_out"] = "all"
    members: int = Field(4, ge=1)
    members_start: Literal["scratch", "last_round"] = "scratch"
    seed: int = Field(1, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> TrainSettings:
        names = [system.name for system in self.systems]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"two systems are called {doubled[0]}; every name must differ")
        if all(system.held_out for system in self.systems) and not self.labelled:
            raise ValueError(
                "every system is held out and no labelled frames are given: nothing is left to "
                "train on"
            )
        if self.min_rounds > self.max_rounds:
            raise ValueError(f"min_rounds {self.min_rounds} is above max_rounds {self.max_rounds}")
        return self


def read_train_settings(text: str) -> TrainSettings:
    """Settings from YAML or JSON.

    Raises
    ------
    InputError
        If the text does not parse or does not validate.
    """
    import yaml
    from pydantic import ValidationError

    try:
        return TrainSettings.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise InputError(f"the training settings are no YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InputError(f"training settings: {where}: {first['msg']}") from error
