"""The report of a benchmark as tables, in Markdown; the same tables stand on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .bench import Failure
from .distribution import Distances
from .results import Measure
from .statistics import Comparison, Estimate
from .summary import Cell, Difference, Summary

MINUS = "−"
AREAS = {"hole": "In the hole", "picture": "Over the picture"}
CLEAR = 0.05
"""Corrected p value below which a difference is called clear."""
LISTED = 10
"""Failures and skipped pictures that are named; of more, the number is told."""


@dataclass(frozen=True)
class Text:
    """One cell of a table.

    Attributes:
        main: what it says.
        small: less important, after it.
        strong: to be seen first.
    """

    main: str
    small: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table with a head; the first column names the rows."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Text]]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A heading with its tables; `mask` is the mask set that it is about, or empty."""

    title: str
    tables: Sequence[Table]
    mask: str = ""


@dataclass(frozen=True)
class Report:
    """All that a benchmark found.

    Attributes:
        title: the heading.
        facts: what was done, as name and value.
        summary: the numbers.
        masks: title of each mask set by name.
        distances: FID and KID by mask set and backend; empty if no network was given.
        failures: what could not be done.
        skipped: pictures that were not used, with the reason.
    """

    title: str
    facts: Mapping[str, str]
    summary: Summary
    masks: Mapping[str, str]
    distances: Mapping[tuple[str, str], Distances] = field(default_factory=dict)
    failures: Sequence[Failure] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)

    def sections(self) -> list[Section]:
        """The tables: all mask sets at a glance, one section for each, then what could not be done."""
        overview = [Section("All mask sets", self._overview())] if len(self.summary.masks) > 1 else []
        return [*overview, *map(self._mask_section, self.summary.masks), *self._left_out()]

    def _left_out(self) -> list[Section]:
        rows = [[one.backend, one.mask or "all", one.picture or "all", one.reason] for one in self.failures[:LISTED]]
        rows += [["all", "all", name, reason] for name, reason in list(self.skipped.items())[:LISTED]]
        if not rows:
            return []
        note = f"{len(self.failures)} failures and {len(self.skipped)} skipped pictures in all."
        texts = [[Text(cell) for cell in row] for row in rows]
        return [Section("What was left out", [Table("", ["backend", "masks", "picture", "reason"], texts, note)])]

    def _overview(self) -> list[Table]:
        """For each measure a table of means, one column for each mask set."""
        cells = {(cell.backend, cell.mask): cell for cell in self.summary.cells}
        backends, masks = list(dict.fromkeys(backend for backend, _ in cells)), self.summary.masks
        found = []
        for measure in self.summary.measures:
            best = {mask: _best([cell for cell in cells.values() if cell.mask == mask], measure) for mask in masks}
            rows = []
            for backend in backends:
                means = [
                    cells[backend, mask].means.get(measure.key) if (backend, mask) in cells else None for mask in masks
                ]
                texts = [_estimate_text(mean, measure, best[mask]) for mask, mean in zip(masks, means, strict=True)]
                rows.append([Text(backend), *(replace(text, small="") for text in texts)])
            area = AREAS[measure.area].lower()
            found.append(Table(f"{_with_arrow(measure)} {area}", ["backend", *masks], rows))
        return found

    def _mask_section(self, mask: str) -> Section:
        cells = [cell for cell in self.summary.cells if cell.mask == mask]
        hidden = sum(cell.hole_percent * cell.count for cell in cells) / sum(cell.count for cell in cells)
        what = f": {self.masks[mask]}" if mask in self.masks else ""
        tables = [self._area_table(cells, area) for area in AREAS]
        tables += [_cost_table(cells), *self._distance_tables(mask, cells), *self._difference_tables(mask)]
        return Section(f"{mask}{what} ({hidden:.1f} % hidden)", tables, mask)

    def _area_table(self, cells: Sequence[Cell], area: str) -> Table:
        measures = [one for one in self.summary.measures if one.area == area]
        best = {one.key: _best(cells, one) for one in measures}
        rows = [
            [Text(cell.backend), *(_estimate_text(cell.means.get(one.key), one, best[one.key]) for one in measures)]
            for cell in cells
        ]
        return Table(AREAS[area], ["backend", *(_with_arrow(one) for one in measures)], rows)

    def _distance_tables(self, mask: str, cells: Sequence[Cell]) -> list[Table]:
        rows = []
        for cell in cells:
            if one := self.distances.get((mask, cell.backend)):
                kid = Text(number(1000 * one.kid, 2), f"± {1000 * one.kid_deviation:.2f}" if one.kid_deviation else "")
                rows.append([Text(cell.backend), Text(f"{one.fid:.2f}"), kid, Text(str(one.count))])
        note = "FID is biased upwards for few pictures: compare it between equal numbers only."
        return [Table("As a whole", ["backend", "FID ↓", "KID × 1000 ↓", "pictures"], rows, note)] if rows else []

    def _difference_tables(self, mask: str) -> list[Table]:
        own = [one for one in self.summary.differences if one.mask == mask]
        measures = [one for one in self.summary.measures if one.area == "hole"]
        rows = []
        for backend in dict.fromkeys(one.backend for one in own):
            by_key = {one.measure: one for one in own if one.backend == backend}
            rows.append([Text(backend), *(_difference_text(by_key.get(one.key), one) for one in measures)])
        title = f"Difference to {self.summary.reference}, in the hole"
        note = (
            "In bold where the Wilcoxon signed-rank test finds a difference with p below 5 %, corrected by Holm's "
            "method for all comparisons of the same measure on this page."
        )
        return [Table(title, ["backend", *(one.title for one in measures)], rows, note)] if rows else []


def _cost_table(cells: Sequence[Cell]) -> Table:
    rows = [
        [
            Text(cell.backend),
            Text(str(cell.count)),
            Text(f"{cell.seconds:.3f}"),
            Text("" if cell.peak_mb is None else f"{cell.peak_mb:.0f}"),
        ]
        for cell in cells
    ]
    return Table("Cost", ["backend", "fills", "seconds (median)", "peak memory (MB)"], rows)


def _with_arrow(measure: Measure) -> str:
    return f"{measure.title} {'↑' if measure.better > 0 else '↓'}"


def _best(cells: Sequence[Cell], measure: Measure) -> float | None:
    means = [cell.means[measure.key].mean for cell in cells if measure.key in cell.means]
    return max(means, key=lambda mean: measure.better * mean) if len(means) > 1 else None


def _estimate_text(found: Estimate | None, measure: Measure, best: float | None) -> Text:
    if found is None:
        return Text("")
    return Text(number(found.mean, measure.digits), _interval(found, measure.digits), found.mean == best)


def _difference_text(found: Difference | None, measure: Measure) -> Text:
    if found is None:
        return Text("")
    one: Comparison = found.comparison
    main = number(one.difference.mean, measure.digits, sign=True)
    small = f"{_interval(one.difference, measure.digits)}, p {p_value(one.corrected_p)}".lstrip(", ")
    return Text(main, small, one.corrected_p < CLEAR)


def _interval(found: Estimate, digits: int) -> str:
    if found.low is None or found.high is None:
        return ""
    return f"[{number(found.low, digits)}, {number(found.high, digits)}]"


def number(value: float, digits: int, sign: bool = False) -> str:
    """With a true minus sign, and a plus sign where asked for."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return (MINUS if value < 0 else "+" * sign) + text


def p_value(p: float) -> str:
    """`= 0.012`, or `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def markdown(report: Report) -> str:
    """The report as Markdown."""
    lines = [f"# {_escaped(report.title)}", ""]
    lines += [f"- {_escaped(name)}: {_escaped(value)}" for name, value in report.facts.items()]
    lines += ["", "Means with 95 % confidence intervals by bootstrap over pictures; ↑ higher is better, ↓ lower is."]
    for section in report.sections():
        lines += ["", f"## {_escaped(section.title)}"]
        for table in section.tables:
            lines += ["", *([f"**{_escaped(table.title)}**", ""] if table.title else []), *_markdown_table(table)]
            lines += ["", _escaped(table.note)] if table.note else []
    return "\n".join(lines) + "\n"


def _markdown_table(table: Table) -> list[str]:
    lines = [_line(table.head), _line(["---"] * len(table.head))]
    for row in table.rows:
        cells = []
        for text in row:
            main = f"**{_escaped(text.main)}**" if text.strong else _escaped(text.main)
            cells.append(f"{main} {_escaped(text.small)}".strip())
        lines.append(_line(cells))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    """Names of files are shown as they are, not read as Markdown or HTML."""
    flat = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in flat)
