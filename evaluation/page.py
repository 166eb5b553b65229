"""The report of a benchmark as one HTML page that needs nothing else: tables, intervals drawn, and pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .report import Report, Section, Table, Text, number
from .results import Measure
from .statistics import Estimate

RGB = NDArray[np.uint8]
LARGEST_PX = 256
"""Side of the pictures on the page."""
QUALITY = 85
CHART_PX = 360
LABEL_PX = 130
LINE_PX = 24
DRAWN = ("psnr_hole", "ssim_hole", "lpips_hole")

STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1b1f24, #e8e6e3); --faint: light-dark(#59636e, #9aa4ae);
  --line: light-dark(#d5dae0, #3a4148); --paper: light-dark(#fff, #16191d); --mark: light-dark(#0b63b6, #6cb2f5); }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 76rem;
  margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; } .note, small, figcaption, dt { color: var(--faint); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } small { font-size: .8rem; white-space: nowrap; }
.charts { display: flex; flex-wrap: wrap; gap: 1rem 2rem; } .charts figure { margin: 0; }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink); } svg .tick { fill: var(--faint); font-size: 11px; }
svg line { stroke: var(--mark); stroke-width: 2; } svg circle { fill: var(--mark); } svg .axis { stroke: var(--line); }
.gallery { display: grid; gap: .5rem; margin: 1rem 0; overflow-x: auto; }
.gallery figure { margin: 0; min-width: 8rem; } .gallery img { width: 100%; height: auto; display: block; }
figcaption { font-size: .8rem; overflow-wrap: anywhere; }
"""
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Shown:
    """A picture of a gallery: uint8 RGB `[H, W, 3]`, what it is, and a few words more."""

    picture: RGB
    caption: str
    note: str = ""


Gallery = Sequence[Sequence[Shown]]
"""Rows of pictures, one row for each picture of the benchmark."""


def page(report: Report, galleries: Mapping[str, Gallery]) -> str:
    """The whole page.

    Args:
        report: the numbers.
        galleries: pictures by the name of the mask set.
    """
    title = escape(report.title)
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in report.facts.items())
    sections = "".join(_section(report, section, galleries.get(section.mask, ())) for section in report.sections())
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{title}</h1><dl>{facts}</dl>"
        '<p class="note">Means with 95 % confidence intervals by bootstrap over pictures; ↑ higher is better, ↓ lower '
        f"is.</p>{sections}</main></body></html>\n"
    )


def hidden(picture: RGB, hole: NDArray[np.bool_]) -> RGB:
    """The picture with the hole as a flat pale colour."""
    return np.where(hole[..., None], np.array([236, 214, 226], np.uint8), picture)


def _section(report: Report, section: Section, gallery: Gallery) -> str:
    tables = "".join(map(_table, section.tables))
    return (
        f"<section><h2>{escape(section.title)}</h2>{_charts(report, section.mask)}{tables}{_gallery(gallery)}</section>"
    )


def _table(table: Table) -> str:
    heading = f"<h3>{escape(table.title)}</h3>" if table.title else ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.head)
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0].main)}</th>{"".join(map(_cell, row[1:]))}</tr>' for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'{heading}<div class="wide">{body}</div>{note}'


def _cell(text: Text) -> str:
    main = f"<strong>{escape(text.main)}</strong>" if text.strong else escape(text.main)
    return f"<td>{main}{f' <small>{escape(text.small)}</small>' if text.small else ''}</td>"


def _charts(report: Report, mask: str) -> str:
    cells = [cell for cell in report.summary.cells if cell.mask == mask]
    figures = []
    for measure in report.summary.measures:
        found = {cell.backend: cell.means[measure.key] for cell in cells if measure.key in cell.means}
        if measure.key in DRAWN and len(found) > 1:
            figures.append(_chart(found, measure))
    return f'<div class="charts">{"".join(figures)}</div>' if figures else ""


def _chart(found: dict[str, Estimate], measure: Measure) -> str:
    """Mean and interval of each backend on one axis."""
    ends = {name: (one.mean if one.low is None else one.low, one.mean if one.high is None else one.high)
            for name, one in found.items()}  # fmt: skip
    low, high = min(end[0] for end in ends.values()), max(end[1] for end in ends.values())
    spread = (high - low) or 1.0

    def across(value: float) -> str:
        return f"{LABEL_PX + 10 + (CHART_PX - LABEL_PX - 30) * (value - low) / spread:.1f}"

    marks = []
    for index, (name, one) in enumerate(found.items()):
        down = LINE_PX * index + LINE_PX / 2
        text = name if len(name) <= 18 else f"{name[:17]}…"
        marks.append(
            f'<text x="0" y="{down + 4}">{escape(text)}</text>'
            f'<line x1="{across(ends[name][0])}" x2="{across(ends[name][1])}" y1="{down}" y2="{down}"/>'
            f'<circle cx="{across(one.mean)}" cy="{down}" r="4"/>'
        )
    foot = LINE_PX * len(found)
    axis = f'<line class="axis" x1="{across(low)}" x2="{across(high)}" y1="{foot}" y2="{foot}"/>' + "".join(
        f'<text class="tick" text-anchor="middle" x="{across(value)}" y="{foot + 14}">'
        f"{number(value, measure.digits)}</text>"
        for value in dict.fromkeys((low, high))
    )
    direction = "higher" if measure.better > 0 else "lower"
    title = f"{measure.title} in the hole, {direction} is better"
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg role="img" aria-label="{escape(title)}" '
        f'width="{CHART_PX}" height="{foot + 20}" viewBox="0 0 {CHART_PX} {foot + 20}">'
        f"{''.join(marks)}{axis}</svg></figure>"
    )


def _gallery(rows: Gallery) -> str:
    return "".join(_gallery_row(row) for row in rows)


def _gallery_row(row: Sequence[Shown]) -> str:
    figures = "".join(_figures(row))
    return (
        f'<div class="gallery" style="grid-template-columns: repeat({len(row)}, minmax(8rem, 16rem))">{figures}</div>'
    )


def _figures(row: Sequence[Shown]) -> Iterator[str]:
    for shown in row:
        note = f"<br>{escape(shown.note)}" if shown.note else ""
        yield (
            f'<figure><img src="{_data_url(shown.picture)}" alt="{escape(shown.caption)}" loading="lazy">'
            f"<figcaption>{escape(shown.caption)}{note}</figcaption></figure>"
        )


def _data_url(picture: RGB) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((LARGEST_PX, LARGEST_PX), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
