"""The voltage at rest of an aged cell from that of a new one.

A cell that ages loses lithium: its positive is fuller of voltage where the negative stands as before, the two slide against each other, and the
voltage at a state of charge is another than when new [1]_ - by tens of millivolts at a health of 85 %, which are several per cent of charge.
The steps and the lower knee are the graphite's and stay where they are in ampere-hours; the slope is the positive's, and slides. In iron
phosphate the positive is flat but for the knee at the upper end.

References
----------
.. [1] M. Dubarry, C. Truchot and B. Y. Liaw, "Synthesize battery degradation modes via a diagnostic and prognostic model", Journal of Power Sources
   219, 2012, https://doi.org/10.1016/j.jpowsour.2012.07.016.
"""

from __future__ import annotations

import numpy as np

from workbench.analytics.storage.fields import Floats
from workbench.analytics.storage.open_circuit import OpenCircuitCurve

_BULK = 0.2  #: above this charge the slope of other cells is mostly the positive's, below it is the graphite's knee [1]
_KNEE = 0.95  #: above this charge the voltage of iron phosphate is the positive's [1]


def aged(curve: OpenCircuitCurve, lost: float) -> OpenCircuitCurve:
    """The curve of a cell that has lost lithium.

    Parameters
    ----------
    curve
        Of the new cell.
    lost
        Lithium lost, over the capacity of the new cell [1].

    Returns
    -------
    The curve against the state of charge of the aged cell; its uncertainties as they were.
    """
    if abs(lost) < 1e-6:
        return curve
    s = np.linspace(0.0, 1.0, 201)
    lost = float(np.clip(lost, -0.1, 0.6))

    def new(charge: Floats) -> Floats:
        found: Floats = curve.at(100.0 * np.clip(charge, 0.0, 1.0))
        rise = (curve.at(100.0) - curve.at(98.0)) / 0.02
        return found + float(rise) * np.maximum(charge - 1.0, 0.0)

    if curve.flat:
        at = s * (1.0 - lost)
        knee = float(new(np.array([_KNEE]))[0])
        volts = new(np.minimum(at, _KNEE)) + np.maximum(new(at + lost) - knee, 0.0) * (at + lost > _KNEE)
    else:
        bulk = np.linspace(_BULK, 1.0, 81)
        positive = np.polynomial.Polynomial.fit(bulk, new(bulk), 2)
        fine = np.linspace(-0.05, 1.0 - lost, 2001)
        knee = float(new(np.array([0.02]))[0] - new(np.array([0.0]))[0]) / 0.02
        volts = new(fine) + knee * np.minimum(fine, 0.0) + positive(fine + lost) - positive(fine)
        first = fine[np.argmax(volts >= float(curve.at(0.0)))]
        volts = np.interp(first + s * (1.0 - lost - first), fine, volts)
    return OpenCircuitCurve(
        100.0 * s, np.maximum.accumulate(volts), curve.uncertainty, curve.systematic, curve.of_new_cell
    )
