"""Opens catalogs: a folder of YAML files becomes a mapping of entries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from workbench.catalog.clashes import clashes
from workbench.catalog.entry import Entry
from workbench.catalog.spec import load_specs
from workbench.model.errors import InputError, InputErrors, did_you_mean
from workbench.project import find_project

if TYPE_CHECKING:
    from workbench.model.assets import Portfolio
    from workbench.sources.base import Source
    from workbench.store import SiteStore

_T = TypeVar("_T")


class Catalog(Mapping[str, Entry]):
    """All entries of a folder of catalogs, by name (``<site>.<entry>``).

    A wrong entry does not hide the good ones: it raises when it is asked for, and :meth:`check` tells all
    that is wrong at once.

    Parameters
    ----------
    path
        A folder of catalogs, or one catalog file.
    store
        Root folder of the store.
    """

    def __init__(self, path: Path, *, portfolio: Portfolio | None = None, store: Path | None = None) -> None:
        self.path = path
        self._store = store
        self._portfolio = portfolio
        self._errors: list[InputError] = []
        #: what is wrong with the portfolio; then there are no sites
        self.portfolio_errors: list[InputError] = []
        self._entries: dict[str, Entry] = {}
        if portfolio is None:
            self._load_portfolio()
        for file in self._files():
            specs, errors = load_specs(file, self._portfolio)
            self._errors += errors
            for spec in specs:
                if spec.name in self._entries:
                    first = self._entries[spec.name].spec.file.path.name
                    self._errors.append(spec.error(f"the entry {spec.name} stands in {first} already"))
                else:
                    self._entries[spec.name] = Entry(spec, self)

    def _files(self) -> list[Path]:
        if self.path.is_dir():
            return sorted([*self.path.glob("*.yaml"), *self.path.glob("*.yml")])
        if self.path.is_file():
            return [self.path]
        raise InputError("no such catalog", file=self.path, expected="a folder of catalogs, or a catalog file")

    def _load_portfolio(self) -> None:
        from workbench.model.assets import load_portfolio

        folder = (self.path if self.path.is_dir() else self.path.parent) / "portfolio"
        if not folder.is_dir():
            return
        try:
            self._portfolio = load_portfolio(folder)
        except InputErrors as error:
            self.portfolio_errors = list(error.errors)
        except InputError as error:
            self.portfolio_errors = [error]
        self._errors += self.portfolio_errors

    @cached_property
    def portfolio(self) -> Portfolio:
        """The sites and assets the entries speak of; empty where there is no ``portfolio`` folder."""
        from workbench.model.assets import Portfolio

        return self._portfolio if self._portfolio is not None else Portfolio(sites={})

    @property
    def store(self) -> Path:
        """Root folder of the store that live entries are read from."""
        return self._store if self._store is not None else find_project().store

    def site(self, name: str) -> SiteStore:
        """The store of a site."""
        from workbench.store import SiteStore

        return SiteStore(self.store, name)

    @property
    def entries(self) -> dict[str, Entry]:
        """All entries, the wrong ones too."""
        return dict(self._entries)

    def __getitem__(self, name: str) -> Entry:
        """The entry ``name``; raises InputError where there is none or it is wrong."""
        entry = self._entries.get(name)
        if entry is None:
            short = {n.partition(".")[2]: n for n in self._entries}
            near = did_you_mean(name, self._entries) or did_you_mean(short.get(name, name), self._entries)
            hint = near or ("workbench catalog check tells what is wrong" if self._errors else None)
            raise InputError(f"no entry {name!r} in the catalog", file=self.path, hint=hint)
        entry.require()
        return entry

    @overload
    def get(self, name: str, /) -> Entry | None: ...
    @overload
    def get(self, name: str, /, default: Entry | _T) -> Entry | _T: ...
    @overload
    def get(self, name: str, /, default: _T = ...) -> Entry | _T: ...
    def get(self, name: str, /, default: Any = None) -> Any:
        """The entry ``name``, or ``default`` where there is none; raises InputError where it is wrong."""
        return self[name] if name in self._entries else default

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Catalog {self.path.name}: {', '.join(self._entries) or 'no entries'}>"

    def check(self) -> list[InputError]:
        """Everything that is wrong with the catalogs, in the order of files and lines; empty if all is well."""
        found = list(self._errors)
        for entry in self._entries.values():
            found += entry.problems()
        found += clashes(self._entries.values())
        # a tag map used by several entries is told of once, with all of them
        distinct: dict[str, InputError] = {}
        for error in found:
            bare = str(error.at(used_by=()))
            before = distinct[bare].used_by if bare in distinct else ()
            distinct[bare] = error.at(used_by=dict.fromkeys((*before, *error.used_by)))
        return sorted(distinct.values(), key=lambda error: (error.file or "", error.line or 0))

    def sources(self, site: str | None = None) -> list[Source]:
        """The live entries (of one site), as sources for the collector.

        Raises
        ------
        InputErrors
            With everything that is wrong with any of them.
        """
        live = [
            e for e in self._entries.values() if (site is None or e.site == site) and e.kind not in ("file", "store")
        ]
        errors = [error for entry in live for error in entry.spec.errors] + self._errors + clashes(live)
        if errors:
            raise InputErrors(errors)
        return [entry.source() for entry in live]

    def to_intake(self) -> Any:
        """The catalog as a Catalog of Intake 2, one reader per good entry."""
        from workbench.catalog.bridge import intake_catalog

        return intake_catalog(self)


def open_catalog(path: str | Path | None = None, *, store: str | Path | None = None) -> Catalog:
    """Open a folder of catalogs, or one catalog file; by default the catalogs of the project.

    Parameters
    ----------
    path
        Folder or file.
    store
        Root folder of the store; the project's if left out.

    Raises
    ------
    InputError
        There is no such folder or file.
    """
    folder = find_project().catalogs if path is None else Path(path).expanduser()
    return Catalog(folder.resolve(), store=None if store is None else Path(store).expanduser())
