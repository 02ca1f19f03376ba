"""Find variables on an OPC UA server by a glob over their browse paths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from workbench.sources.base import FoundTag
from workbench.sources.opcua_session import NodeId, Session, SessionError, ua

#: A server that keeps referring to new nodes deeper than this, or to more of them, is not followed further.
_DEEPEST = 16
_MOST_NODES = 500_000


@dataclass(frozen=True)
class _Found:
    path: str
    node: NodeId


def glob_pattern(pattern: str) -> re.Pattern[str]:
    """A glob over paths as a regular expression.

    ``*`` and ``?`` stay within a name, ``**`` runs over any number of them; ``*`` alone matches everything.
    """
    if pattern in ("*", "**", ""):
        return re.compile(".*", re.DOTALL)
    text = ""
    i = 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            text, i = text + "(?:.*/)?", i + 3
        elif pattern.startswith("**", i):
            text, i = text + ".*", i + 2
        elif pattern[i] == "*":
            text, i = text + "[^/]*", i + 1
        elif pattern[i] == "?":
            text, i = text + "[^/]", i + 1
        else:
            text, i = text + re.escape(pattern[i]), i + 1
    return re.compile(text, re.DOTALL)


async def discover(session: Session, start: NodeId, pattern: str) -> list[FoundTag]:
    """Variables below ``start`` whose path from there matches ``pattern``, with type, unit and value."""
    wanted = glob_pattern(pattern)
    found = [each for each in await _variables(session, start) if wanted.fullmatch(each.path)]
    units = await _units(session, found)
    tags = []
    for part in session.batches("read", found):
        nodes = [each.node for each in part]
        values: list[Any] = await session.client.uaclient.read_attributes(nodes, ua.AttributeIds.Value)
        kinds: list[Any] = await session.client.uaclient.read_attributes(nodes, ua.AttributeIds.DataType)
        for each, data, kind in zip(part, values, kinds, strict=True):
            tags.append(
                FoundTag(
                    address=each.path,
                    name=each.path.rpartition("/")[2],
                    type=_type_name(data.Value, kind.Value),
                    units=units.get(each.path),
                    value=None if data.Value is None else data.Value.Value,
                )
            )
    return tags


def _type_name(value: Any, declared: Any) -> str:
    """Name of the built-in type a node declares, or else of the value it holds."""
    node = None if declared is None else declared.Value
    if node is not None and node.NamespaceIndex == 0:
        for kind in ua.VariantType:
            if kind.value == node.Identifier and kind != ua.VariantType.Null:
                return str(kind.name).lower()
    return "" if value is None or value.VariantType == ua.VariantType.Null else str(value.VariantType.name).lower()


async def _variables(session: Session, start: NodeId) -> list[_Found]:
    """All variables below ``start`` by breadth, each node visited once."""
    seen = {start, ua.NodeId(ua.ObjectIds.Server)}  # the server's own diagnostics are no tags
    level = [_Found("", start)]
    variables: list[_Found] = []
    for _ in range(_DEEPEST):
        below: list[_Found] = []
        for part in session.batches("browse", level):
            for above, references in zip(part, await _children(session, [each.node for each in part]), strict=True):
                for reference in references:
                    node = ua.NodeId(
                        reference.NodeId.Identifier, reference.NodeId.NamespaceIndex, reference.NodeId.NodeIdType
                    )
                    if node in seen:
                        continue
                    seen.add(node)
                    child = _Found(f"{above.path}/{reference.BrowseName.Name}".lstrip("/"), node)
                    if reference.NodeClass == ua.NodeClass.Variable:
                        variables.append(child)
                    below.append(child)
        if len(seen) > _MOST_NODES:
            raise SessionError(f"more than {_MOST_NODES} nodes; start further down")
        if not below:
            break
        level = below
    return variables


async def _children(session: Session, nodes: list[NodeId]) -> list[list[Any]]:
    """Objects and variables that each of ``nodes`` holds; properties are left out."""
    parameters = ua.BrowseParameters()
    parameters.RequestedMaxReferencesPerNode = 0
    for node in nodes:
        wanted = ua.BrowseDescription()
        wanted.NodeId = node
        wanted.BrowseDirection = ua.BrowseDirection.Forward
        wanted.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
        wanted.IncludeSubtypes = True
        wanted.NodeClassMask = int(ua.NodeClass.Object | ua.NodeClass.Variable)
        wanted.ResultMask = int(ua.BrowseResultMask.All)
        parameters.NodesToBrowse.append(wanted)
    property_type = ua.NodeId(ua.ObjectIds.HasProperty)
    answers: list[list[Any]] = []
    for result in await session.client.uaclient.browse(parameters):
        references = list(result.References or [])
        point = result.ContinuationPoint
        while point:
            more = ua.BrowseNextParameters()
            more.ContinuationPoints = [point]
            (next_part,) = await session.client.uaclient.browse_next(more)
            references.extend(next_part.References or [])
            point = next_part.ContinuationPoint
        answers.append([each for each in references if each.ReferenceTypeId != property_type])
    return answers


async def _units(session: Session, found: list[_Found]) -> dict[str, str]:
    """Display name of the EngineeringUnits property by path, for those that have one."""
    holders: list[tuple[str, NodeId]] = []
    for part in session.batches("translate", found):
        paths = []
        for each in part:
            element = ua.RelativePathElement()
            element.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HasProperty)
            element.IsInverse = False
            element.IncludeSubtypes = True
            element.TargetName = ua.QualifiedName("EngineeringUnits", 0)
            path = ua.BrowsePath()
            path.StartingNode = each.node
            path.RelativePath.Elements.append(element)
            paths.append(path)
        answers = await session.client.uaclient.translate_browsepaths_to_nodeids(paths)
        holders.extend(
            (each.path, answer.Targets[0].TargetId)
            for each, answer in zip(part, answers, strict=True)
            if answer.StatusCode.is_good() and answer.Targets
        )
    units: dict[str, str] = {}
    for part in session.batches("read", holders):
        held = [node for _, node in part]
        values: list[Any] = await session.client.uaclient.read_attributes(held, ua.AttributeIds.Value)
        for (path, _), data in zip(part, values, strict=True):
            unit = None if data.Value is None else data.Value.Value
            text = getattr(getattr(unit, "DisplayName", None), "Text", None)
            if text:
                units[path] = str(text)
    return units
