"""Pipelines: lists of named steps in JSON or YAML, checked whole before anything runs."""

from __future__ import annotations

from workbench.pipelines.run import run
from workbench.pipelines.spec import Pipeline, PipelineStep, load_pipeline

__all__ = ["Pipeline", "PipelineStep", "load_pipeline", "run"]
