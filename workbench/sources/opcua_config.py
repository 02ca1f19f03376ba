"""What a catalog entry with ``driver: opcua`` may say."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from workbench.sources.base import SourceConfig
from workbench.sources.opcua_security import OpcUaSecurity


class OpcUaAddress(BaseModel):
    """Where one asset is found, where it is not the entry's server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    node: str = Field(description="browse path of the asset's folder below Objects, or a node id")
    url: str | None = Field(None, description="its own server; the entry's if left out")


class OpcUaConfig(SourceConfig):
    """Keys of a catalog entry with ``driver: opcua``."""

    url: str | None = Field(None, description="opc.tcp://host:port/path")
    assets: dict[str, str | OpcUaAddress] = Field(
        min_length=1, description="asset to the browse path of its folder below Objects, or to {node, url}"
    )
    mode: Literal["subscribe", "poll"] = "subscribe"
    publishing_interval: float | None = Field(
        None,
        gt=0,
        le=60,
        description="seconds between two messages of the server; a tenth of the cadence, at most 0.25, if left out",
    )
    sampling_interval: float | None = Field(
        None, ge=0, description="seconds between two looks of the server at a value; half the cadence if left out"
    )
    queue_size: int = Field(10, ge=1, description="values the server keeps per node between two messages")
    trigger: Literal["Status", "StatusValue", "StatusValueTimestamp"] = Field(
        "StatusValueTimestamp", description="what makes a value news; by default a new time stamp does"
    )
    timeout: float = Field(4.0, gt=0, le=60, description="seconds to wait for an answer")
    retry_missing: float = Field(
        60.0, gt=0, description="seconds between tries of nodes that the server did not have, or refused"
    )
    user: str | None = None
    password: SecretStr | None = None
    security: OpcUaSecurity | None = Field(None, description="signature and encryption; none if left out")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        for asset in self.assets:
            if not self.server(asset).startswith("opc.tcp://"):
                raise ValueError(f"{asset} needs a url such as opc.tcp://host:4840/path, in the entry or its own")
        return self

    def server(self, asset: str) -> str:
        """URL of the server of ``asset``; empty where none is given."""
        address = self.assets[asset]
        return (address.url if isinstance(address, OpcUaAddress) else None) or self.url or ""

    def folder(self, asset: str) -> str:
        """Browse path or node id of ``asset``."""
        address = self.assets[asset]
        return (address.node if isinstance(address, OpcUaAddress) else address).strip("/")
