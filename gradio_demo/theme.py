"""How the page looks: one accent taken from the heatmap's colours, the machine's own fonts, light and dark."""

from __future__ import annotations

from gradio.themes.base import Base
from gradio.themes.utils.colors import Color

from .widgets import asset

ACCENT = Color(
    c50="#fdf2f8", c100="#fbe3f0", c200="#f6c3df", c300="#ee95c4", c400="#e05fa1", c500="#c93f86", c600="#b0306f",
    c700="#8f2459", c800="#751f4b", c900="#5f1b3f", c950="#390c24", name="accent",
)  # fmt: skip
PAPER = Color(
    c50="#faf9f7", c100="#f3f1ee", c200="#e6e3de", c300="#d3cfc8", c400="#a8a29a", c500="#7c766f", c600="#5b5650",
    c700="#433f3b", c800="#2a2725", c900="#1b1918", c950="#121110", name="paper",
)  # fmt: skip
FONTS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
FIXED_FONTS = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> Base:
    """The theme; it names no font that would have to be fetched."""
    return Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue=PAPER,
        radius_size="md",
        spacing_size="md",
        font=FONTS,
        font_mono=FIXED_FONTS,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_100",
        background_fill_secondary_dark="*neutral_800",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_shadow="none",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_secondary_background_fill="white",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
        input_background_fill="white",
        input_background_fill_dark="*neutral_900",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
    )


def css() -> str:
    """Everything that the theme's variables do not say."""
    return asset("page.css")


HEAD = '<meta name="theme-color" content="#b0306f" /><meta name="referrer" content="no-referrer" />'


def page_js() -> str:
    """What the head of the page does."""
    return asset("head.js")
