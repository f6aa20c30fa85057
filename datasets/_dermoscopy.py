"""Dermoscopy-like pictures from three numbers: generator version, split, number. FROZEN: tests/test_synthetic.py holds its hash.

Whatever decides a pixel is `random()` of PCG64 and elementwise + - * / sqrt floor min max on float64, which IEEE 754 fixes to the
last bit. Sums, matrix products, exp and sin differ between machines and NumPy builds, so there are none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.api import Pixels

VERSION = 1
SHAPES = ((96, 96), (96, 128), (128, 96))

Plane = npt.NDArray[np.float64]
Texture = Callable[[np.random.Generator, "Lesion"], Plane]

SKINS = np.array([[236, 196, 178], [222, 172, 146], [190, 140, 112], [150, 106, 82]], dtype=np.float64)
LUMA = np.array([0.299, 0.587, 0.114])


class Lesion(NamedTuple):
    """Where the lesion lies, over the (H, W) pixels. `level` is above 0 inside, 1 at the centre; `u`, `v` are its axes in pixels."""

    level: Plane
    u: Plane
    v: Plane
    radius: float

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.level.shape
        return height, width

    @property
    def mask(self) -> Pixels:
        return (self.level > 0).astype(np.uint8)


def draw(split: int, number: int, kind: int) -> tuple[Pixels, Pixels]:
    """The picture (3, H, W) uint8 and its mask (H, W) of 0 and 1, with a lesion of class `kind` (0 to 6)."""
    random, lesion = _start(split, number)
    paint = _skin(random, lesion)
    paint = _lesion(random, paint, lesion, kind)
    paint = paint * _light(random, lesion.shape)
    paint = _hair(random, paint)
    paint = paint + 12 * random.random(paint.shape) - 6  # grain of the camera
    return np.floor(np.clip(paint, 0, 255) + 0.5).astype(np.uint8), lesion.mask


def draw_mask(split: int, number: int) -> Pixels:
    """The mask of `draw` alone."""
    return _start(split, number)[1].mask


def _start(split: int, number: int) -> tuple[np.random.Generator, Lesion]:
    random = np.random.Generator(np.random.PCG64([VERSION, split, number]))
    return random, _outline(random, *SHAPES[int(random.random() * len(SHAPES))])


def _outline(random: np.random.Generator, height: int, width: int) -> Lesion:
    """A shape of any size around any place near the centre."""
    y, x = _grid(height, width)
    dx, dy = x - _between(random, -0.22, 0.22) * width, y - _between(random, -0.22, 0.22) * height
    return _shape(random, dx, dy, (0.16, 0.42))


def _shape(random: np.random.Generator, dx: Plane, dy: Plane, sizes: tuple[float, float]) -> Lesion:
    """An ellipse whose radius is changed by harmonics of the angle and by noise; star-shaped, so in one piece.

    `dx` (1, W) and `dy` (H, 1) are distances from its centre in pixels, `sizes` its least and greatest radius in shorter sides.
    """
    height, width = len(dy), dx.shape[1]
    (cos, sin), radius = _direction(random), _between(random, *sizes) * min(height, width)
    u, v = dx * cos + dy * sin, (dy * cos - dx * sin) / _between(random, 0.62, 1)
    distance = np.maximum(np.sqrt(u * u + v * v), 1e-6)
    edge = 1 + _harmonics(random, u / distance, v / distance) + 0.06 * _noise(random, (height, width), 8)
    return Lesion(edge - distance / radius, u, v, radius)


def _harmonics(random: np.random.Generator, cos: Plane, sin: Plane) -> Plane:
    irregular = _between(random, 0.05, 0.32)
    total, ck, sk = np.zeros_like(cos), cos, sin
    for k in range(2, 7):
        ck, sk = ck * cos - sk * sin, sk * cos + ck * sin  # cos and sin of k times the angle
        total = total + irregular / k * (_between(random, -1, 1) * ck + _between(random, -1, 1) * sk)
    return total


def _skin(random: np.random.Generator, lesion: Lesion) -> Plane:
    """(3, H, W): a tone between pale and brown, mottled."""
    tone = random.random() * (len(SKINS) - 1)
    low, share = int(tone), tone - int(tone)
    colour = SKINS[low] * (1 - share) + SKINS[low + 1] * share
    mottled = 7 * _noise(random, lesion.shape, 24) + 5 * _noise(random, lesion.shape, 6)
    paint: Plane = colour[:, None, None] + mottled
    return paint


def _lesion(random: np.random.Generator, skin: Plane, lesion: Lesion, kind: int) -> Plane:
    """The class lies in hue and texture. Brightness is drawn apart from it: four in ten are lighter than the skin around them."""
    hue, texture, tint = KINDS[kind]
    brightness = _between(random, -70, 35)
    colour = np.array(hue, dtype=np.float64)
    colour = colour - (colour[0] * LUMA[0] + colour[1] * LUMA[1] + colour[2] * LUMA[2])  # a hue without brightness
    inside = skin + brightness + _between(random, 0.7, 1.2) * colour[:, None, None]
    pattern = _between(random, 16, 30) * texture(random, lesion)
    inside = inside + pattern * np.array(tint, dtype=np.float64)[:, None, None]
    soft = lesion.radius / _between(random, 2, 9)  # the edge is 2 to 9 pixels wide
    alpha: Plane = np.clip(0.5 + lesion.level * soft, 0, 1)
    paint: Plane = skin * (1 - alpha) + inside * alpha
    return paint


def _light(random: np.random.Generator, shape: tuple[int, int]) -> Plane:
    """A factor for every pixel: a gradient over the picture, and dark corners, mild or as of a round lens."""
    height, width = shape
    y, x = _grid(height, width)
    y, x = y / height, x / width
    gradient = 1 + _between(random, -0.3, 0.3) * x + _between(random, -0.3, 0.3) * y
    distance2 = x * x + y * y
    if random.random() < 0.25:
        edge = np.clip((_between(random, 0.5, 0.66) - np.sqrt(distance2)) / 0.08, 0, 1)
        return gradient * (0.06 + 0.94 * edge)
    return gradient * (1 - _between(random, 0, 1) * distance2)


def _hair(random: np.random.Generator, paint: Plane) -> Plane:
    """Bent hairs over skin and lesion, in half of the pictures; in some they are fair."""
    if random.random() < 0.5:
        return paint
    y, x = _grid(*paint.shape[1:])
    shade = 235.0 if random.random() < 0.2 else _between(random, 15, 60)
    for _ in range(1 + int(random.random() * 9)):
        cos, sin = _direction(random)
        along, across = x * cos + y * sin, y * cos - x * sin
        bend = _between(random, -0.006, 0.006)
        line = np.abs(across - _between(random, -60, 60) - bend * along * along)
        cover = np.clip(_between(random, 0.8, 1.8) - line, 0, 1) * 0.85
        paint = paint * (1 - cover) + shade * cover
    return paint


def _blotches(random: np.random.Generator, lesion: Lesion) -> Plane:
    return np.clip(4 * _noise(random, lesion.shape, 11), -1, 1)


def _net(random: np.random.Generator, lesion: Lesion) -> Plane:
    period = _between(random, 6, 8)
    return 1.6 * np.maximum(_wave(lesion.u / period), _wave(lesion.v / period)) - 0.9


def _dots(random: np.random.Generator, lesion: Lesion) -> Plane:
    return 0.3 - 2 * np.clip(6 * (_noise(random, lesion.shape, 5) - 0.35), 0, 1)


def _scales(random: np.random.Generator, lesion: Lesion) -> Plane:
    return 1.3 * _noise(random, lesion.shape, 2)


def _ridges(random: np.random.Generator, lesion: Lesion) -> Plane:
    return 2 * _wave(lesion.u / _between(random, 7, 10) + 0.7 * _noise(random, lesion.shape, 16)) - 1


def _ring(random: np.random.Generator, lesion: Lesion) -> Plane:
    return np.clip(5 * (lesion.level - _between(random, 0.35, 0.5)), -0.8, 1.2)


def _lagoons(random: np.random.Generator, lesion: Lesion) -> Plane:
    walls: Plane = np.clip(1 - 4 * np.abs(_noise(random, lesion.shape, 9)), 0, 1)
    return 0.6 - 2 * walls


KINDS: tuple[tuple[tuple[int, int, int], Texture, tuple[float, float, float]], ...] = (
    ((-26, -4, 30), _blotches, (1.0, 0.9, 0.4)),  # MEL: blue-grey, blotched
    ((20, 2, -30), _net, (0.9, 1.0, 1.0)),  # NV: brown, a net of lines
    ((24, -10, 22), _dots, (1.0, 0.9, 0.5)),  # BCC: pearly pink, blue-grey dots
    ((42, -16, -12), _scales, (1.0, 1.0, 1.0)),  # AKIEC: red, rough
    ((4, 10, -46), _ridges, (1.0, 1.0, 0.8)),  # BKL: yellow, ridges
    ((-12, 8, -6), _ring, (1.0, 1.0, 1.0)),  # DF: dull, white in the middle and dark at the rim
    ((26, -28, 36), _lagoons, (0.6, 1.0, 0.8)),  # VASC: purple, lagoons
)


def _grid(height: int, width: int) -> tuple[Plane, Plane]:
    """Row and column of each pixel's centre from the picture's centre, in pixels: (H, 1) and (1, W)."""
    y, x = np.arange(height, dtype=np.float64), np.arange(width, dtype=np.float64)
    return (y + 0.5 - height / 2)[:, None], (x + 0.5 - width / 2)[None, :]


def _noise(random: np.random.Generator, shape: tuple[int, int], cell: int) -> Plane:
    """Smooth noise in [-1, 1]: random values every `cell` pixels with cubic steps between."""
    height, width = shape
    knots = 2 * random.random((height // cell + 2, width // cell + 2)) - 1
    (i, t), (j, s) = _steps(height, cell), _steps(width, cell)
    rows = knots[i] * (1 - t)[:, None] + knots[i + 1] * t[:, None]
    return rows[:, j] * (1 - s) + rows[:, j + 1] * s


def _steps(length: int, cell: int) -> tuple[npt.NDArray[np.intp], Plane]:
    place = np.arange(length, dtype=np.float64) / cell
    knot = place.astype(np.intp)
    t = place - knot
    return knot, t * t * (3 - 2 * t)


def _wave(x: Plane) -> Plane:
    """A triangle wave of period 1 between 0 and 1."""
    return np.abs(2 * (x - np.floor(x)) - 1)


def _between(random: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * random.random()


def _direction(random: np.random.Generator) -> tuple[float, float]:
    """A unit vector of any direction, without sin and cos: a point of the square, scaled (corners a little likelier)."""
    x, y = _between(random, -1, 1), _between(random, -1, 1)
    length = float(np.maximum(np.sqrt(x * x + y * y), 1e-6))
    return x / length, y / length
