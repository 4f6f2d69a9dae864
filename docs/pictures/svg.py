"""A picture that reads well on a light and a dark page, and on a phone."""

from html import escape

WIDTH = 420  # On a screen of 390 px, the smallest text still has 10.5 px.
PALETTE = """
svg { --card: #ffffff; --edge: #d1d9e0; --ink: #1f2328; --muted: #59636e;
  --green: #1a7f37; --blue: #0969da; --amber: #9a6700; --red: #cf222e }
@media (prefers-color-scheme: dark) { svg {
  --card: #0d1117; --edge: #3d444d; --ink: #f0f6fc; --muted: #9198a1;
  --green: #3fb950; --blue: #58a6ff; --amber: #d29922; --red: #ff7b72 } }"""
STYLE = """
text { font: 14px system-ui, -apple-system, "Segoe UI", Arial, sans-serif; fill: var(--ink) }
.small { font-size: 12.5px }
.bold { font-weight: 600 }
.code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 12px }
"""

Point = tuple[float, float]


class Picture:
    """An SVG on a card of its own. What is drawn later covers what is there."""

    def __init__(
        self, name: str, title: str, description: str, height: float, style: str = STYLE
    ) -> None:
        self.name = name
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}"'
            f' width="{WIDTH}" height="{height:g}" role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(description)}</desc>',
            f"<style>{PALETTE}{style}</style>",
            f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:g}" rx="8"'
            ' style="fill: var(--card); stroke: var(--edge)"/>',
        ]

    def __str__(self) -> str:
        return "\n".join([*self.parts, "</svg>", ""])

    def text(
        self, x: float, y: float, *lines: str, kind: str = "", at: str = "start", colour: str = ""
    ) -> None:
        """Write lines. `kind` is of small, bold and code; `at` is start, middle or end."""
        fill = f' style="fill: var(--{colour})"' if colour else ""
        for line in lines:
            place = f'x="{x:g}" y="{y:g}" text-anchor="{at}"'
            self.parts.append(f'<text {place} class="{kind}"{fill}>{escape(line)}</text>')
            y += 17

    def label(
        self, x: float, y: float, *lines: str, at: str = "middle", colour: str = "muted"
    ) -> None:
        """Write what explains the rest."""
        self.text(x, y, *lines, kind="small", at=at, colour=colour)

    def box(
        self,
        corner: Point,
        size: Point,
        *lines: str,
        kind: str = "small",
        colour: str = "edge",
        tint: float = 0.15,
    ) -> None:
        """Draw a box with lines in its middle."""
        (x, y), (width, height) = corner, size
        place = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5"'
        self.parts += [
            f'{place} style="fill: var(--card)"/>',
            f'{place} style="fill: var(--{colour}); fill-opacity: {tint:g};'
            f' stroke: var(--{colour})"/>',
        ]
        first = y + height / 2 + 4.5 - 8.5 * (len(lines) - 1)
        self.text(x + width / 2, first, *lines, at="middle", kind=kind)

    def line(
        self, *points: Point, colour: str = "muted", dashes: str = "none", has_arrow: bool = False
    ) -> None:
        """Draw a line through points, with an arrow at its end if it has one."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        stroke = f"stroke: var(--{colour}); stroke-width: 1.5; stroke-dasharray: {dashes}"
        self.parts.append(f'<polyline points="{path}" style="fill: none; {stroke}"/>')
        if has_arrow:
            (x1, y1), (x2, y2) = points[-2:]
            length = abs(x2 - x1) + abs(y2 - y1)  # Each last stretch is horizontal or vertical.
            dx, dy = 7 * (x2 - x1) / length, 7 * (y2 - y1) / length
            one = x2 - dx - dy / 2, y2 - dy - dx / 2
            other = x2 - dx + dy / 2, y2 - dy + dx / 2
            self.line(one, (x2, y2), other, colour=colour)

    def dot(self, x: float, y: float, colour: str, *, is_ring: bool = False) -> None:
        """Draw a dot, or a ring."""
        fill = "card" if is_ring else colour
        style = f"fill: var(--{fill}); stroke: var(--{colour}); stroke-width: 1.5"
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="3" style="{style}"/>')

    def cross(self, x: float, y: float, radius: float = 2.5) -> None:
        """Draw a red cross."""
        self.line((x - radius, y - radius), (x + radius, y + radius), colour="red")
        self.line((x - radius, y + radius), (x + radius, y - radius), colour="red")
