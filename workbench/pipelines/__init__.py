"""Pipelines: lists of named steps in JSON or YAML, checked whole before anything runs."""

from __future__ import annotations

from workbench.pipelines.run import run
from workbench.pipelines.spec import Checked, NotInstalled, Pipeline, PipelineStep, check_spec, load_pipeline

__all__ = ["Checked", "NotInstalled", "Pipeline", "PipelineStep", "check_spec", "load_pipeline", "run"]
