"""A real file, written the way a logger does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import orjson
from harness import Harness, Told
from harness_mqtt import EXTRA, message
from harness_mqtt import TAGS as JSON_TAGS

from workbench.model.tags import MqttMap

CSV_TAGS: dict[str, Any] = {
    "protocol": "mqtt",
    "time": "time",
    "time_format": "unix_ns",
    "tags": {
        "power_output": {"path": "P [100 W]", "units": "W", "scale": 100},
        "wind_speed": {"path": "wind.speed"},
        "ambient_temperature": {"path": "T", "units": "degF"},
        "turbine_status": {"path": "state", "states": {10: "generating", 20: "fault"}},
    },
}
HEADER = "time,asset,P [100 W],wind.speed,T,state\n"


class TailHarness(Harness):
    def __init__(self, form: str = "csv") -> None:
        super().__init__(
            "tail",
            {
                "bad": "a number in a file has no status",
                "unknown tag": "what is not in a line was not sent: there is nothing to flag",
                "write": "a log is read only",
                "dead device": "a file has one writer",
                "garbage": "a line that makes no sense is counted; the lines beside it are no worse for it",
                "cut": "a file has no connection",
            },
        )
        self.form = form
        self._folder = tempfile.TemporaryDirectory(prefix="test-tail-")
        self.path = Path(self._folder.name) / f"log.{form}"

    async def start(self) -> None:
        if not self.path.exists() and self.form == "csv":
            self.path.write_text(HEADER)
        self.path.touch()

    async def stop(self) -> None:
        """The logger stops and its file is rotated away."""
        if self.path.exists():
            self.path.rename(self.path.with_suffix(".old"))

    def clean(self) -> None:
        self._folder.cleanup()

    def line(self, asset: str, told: Told) -> bytes:
        if self.form == "ndjson":
            return orjson.dumps({"asset": asset, **message(told)}) + b"\n"
        wind = "strong" if told.words else told.wind_speed
        fields = (told.time, asset, round(told.power_output * 10), wind, told.fahrenheit, told.code)
        return (",".join(map(str, fields)) + "\n").encode()

    async def tell(self, asset: str, told: Told) -> None:
        with self.path.open("ab") as file:
            file.write(self.line(asset, told))

    async def babble(self) -> None:
        """The logger is there again, and out of its mind."""
        await self.start()
        with self.path.open("ab") as file:
            file.write(b"\xff\xfe\x00,,,;\n{[}]\n\n" + b"\x80" * 500 + b"\nT1,T1,T1,T1,T1,T1\n17\n")

    async def hush(self) -> None:
        pass

    async def silence(self, asset: str) -> None:
        pass

    def tags(self, *, extra: bool = False) -> MqttMap:
        base = CSV_TAGS if self.form == "csv" else JSON_TAGS
        tags = {**base["tags"], **EXTRA} if extra else base["tags"]
        return MqttMap.model_validate({**base, "tags": tags})

    def config(self) -> dict[str, Any]:
        return {"path": str(self.path), "assets": ["T1", "T2"], "asset_path": "asset", "interval": 0.03}

    def wrong_config(self) -> dict[str, Any]:
        return {**self.config(), "path": str(self.path.with_name("nowhere.csv"))}
