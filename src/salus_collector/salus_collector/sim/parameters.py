"""The model parameters that an episode may change, saved and put back as a whole."""

from typing import Any, Final

from numpy.typing import NDArray

FIELDS: Final = (
    "body_mass",
    "body_inertia",
    "geom_size",
    "geom_rbound",
    "geom_aabb",
    "geom_friction",
    "geom_rgba",
    "actuator_forcerange",
    "cam_pos",
    "cam_quat",
    "light_dir",
    "light_diffuse",
    # Derived from masses and sizes by mj_setConst:
    "bvh_aabb",
    "cam_pos0",
    "cam_poscom0",
    "cam_mat0",
    "light_poscom0",
    "dof_length",
    "body_subtreemass",
    "body_invweight0",
    "dof_invweight0",
    "dof_M0",
    "tendon_invweight0",
    "actuator_acc0",
)
"""Arrays of mjModel; a setter of `World` that changes another one must add it here."""

STATISTICS: Final = ("meaninertia", "meanmass", "meansize", "extent")
"""Numbers of mjModel.stat, which mj_setConst recomputes and the solver scales by."""

Parameters = dict[str, NDArray[Any] | float]


def read_parameters(model: Any) -> Parameters:
    """A copy of every changeable parameter of an MjModel."""
    arrays: Parameters = {name: getattr(model, name).copy() for name in FIELDS}
    return arrays | {name: float(getattr(model.stat, name)) for name in STATISTICS}


def write_parameters(model: Any, parameters: Parameters) -> None:
    """Put back what `read_parameters` returned."""
    for name in FIELDS:
        getattr(model, name)[:] = parameters[name]
    for name in STATISTICS:
        setattr(model.stat, name, parameters[name])
