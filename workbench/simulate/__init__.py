"""Simulated plants with honest physics, and real protocol servers that speak for them.

:func:`workbench.simulate.plant.build_site` makes a plant from a site of the portfolio;
:mod:`workbench.simulate.service` serves plants by OPC UA, Modbus and MQTT. What is modelled, and what is not,
stands in ``docs/simulator.md``.
"""
