/** [x, y] with y pointing down. */
export type Point = readonly [x: number, y: number]

/** Closed contours, filled by the even-odd rule, within the unit circle. */
export type Outline = readonly (readonly Point[])[]

export interface SymbolShape {
  readonly name: string
  readonly outline: Outline
  /** Stays nearly upright, since turning it would make another class of it. */
  readonly upright: boolean
}

/** Corners of a curve that is drawn as a polygon. */
const CURVE_CORNERS = 24

const turn = 2 * Math.PI
const shape = (name: string, ...outline: Point[][]): SymbolShape => ({ name, outline, upright: false })
const uprightShape = (name: string, ...outline: Point[][]): SymbolShape => ({ name, outline, upright: true })

/** The letter F down to the lower side of its shorter bar, which E shares. */
const letter: Point[] = [
  [-0.6, 0.85],
  [-0.6, -0.85],
  [0.6, -0.85],
  [0.6, -0.5],
  [-0.2, -0.5],
  [-0.2, -0.18],
  [0.45, -0.18],
  [0.45, 0.18],
  [-0.2, 0.18],
]

/** What the classes look like, in the order of the model's logits. Several are easily taken for one another. */
export const symbols: readonly SymbolShape[] = [
  shape('pentagon', corners(5, [1])),
  shape('hexagon', corners(6, [1])),
  shape('octagon', corners(8, [1])),
  shape('disc', arc([0, 0], 0.95, 0, turn)),
  shape('ring', arc([0, 0], 0.95, 0, turn), arc([0, 0], 0.5, 0, turn)),
  // Its inner side belongs to a circle around (0.45, 0); both arcs end where the circles meet.
  shape('crescent', [...arc([0, 0], 0.95, 0.883, turn - 0.883), ...arc([0.45, 0], 0.75, turn - 1.365, 1.365)]),
  shape('star of five', corners(10, [1, 0.45])),
  shape('star of six', corners(12, [1, 0.55])),
  shape('gear', corners(32, [1, 1, 0.7, 0.7]), arc([0, 0], 0.3, 0, turn)),
  shape('heart', curve(heartAt)),
  shape('drop', curve(dropAt)),
  shape('plus', plus()),
  uprightShape('left arrow', arrow(-1)),
  uprightShape('right arrow', arrow(1)),
  uprightShape('letter E', [...letter, [-0.2, 0.5], [0.6, 0.5], [0.6, 0.85]]),
  uprightShape('letter F', [...letter, [-0.2, 0.85]]),
]

/** Points at even angles around the origin, at these distances in turn. */
function corners(count: number, distances: readonly number[]): Point[] {
  return Array.from({ length: count }, (_, corner) =>
    around([0, 0], distances[corner % distances.length]!, (corner / count) * turn),
  )
}

function arc(centre: Point, radius: number, from: number, to: number): Point[] {
  return curve((part) => around(centre, radius, from + part * (to - from)))
}

/** Points along a curve, given by the part of it that lies behind, from 0 up to 1. */
function curve(at: (part: number) => Point): Point[] {
  return Array.from({ length: CURVE_CORNERS }, (_, corner) => at(corner / (CURVE_CORNERS - 1)))
}

function around([x, y]: Point, distance: number, angle: number): Point {
  return [x + distance * Math.cos(angle), y + distance * Math.sin(angle)]
}

/** The heart of https://mathworld.wolfram.com/HeartCurve.html (7), made to fit. */
function heartAt(part: number): Point {
  const t = part * turn
  const height = 13 * Math.cos(t) - 5 * Math.cos(2 * t) - 2 * Math.cos(3 * t) - Math.cos(4 * t)
  return [(16 * Math.sin(t) ** 3) / 17, -(height + 2.5) / 17]
}

/** A teardrop curve (https://mathworld.wolfram.com/TeardropCurve.html) of m = 1.5. */
function dropAt(part: number): Point {
  const t = part * turn
  return [Math.cos(t), Math.sin(t) * Math.sin(t / 2) ** 1.5]
}

function plus(): Point[] {
  const arm: Point[] = [
    [0.28, -0.28],
    [0.95, -0.28],
    [0.95, 0.28],
  ]
  const quarters = [0, 1, 2, 3].map(
    (quarter) => [Math.cos((quarter / 4) * turn), Math.sin((quarter / 4) * turn)] as const,
  )
  return quarters.flatMap(([cos, sin]) => arm.map(([x, y]): Point => [x * cos - y * sin, x * sin + y * cos]))
}

function arrow(direction: 1 | -1): Point[] {
  const right: Point[] = [
    [-0.95, -0.28],
    [0.05, -0.28],
    [0.05, -0.75],
    [0.95, 0],
    [0.05, 0.75],
    [0.05, 0.28],
    [-0.95, 0.28],
  ]
  return right.map(([x, y]) => [x * direction, y])
}
